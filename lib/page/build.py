"""The commands behind make that write pages: one page, the whole report, a comparison."""

import os

import nbformat

from lib.data import files
from lib.data.files import DataError, StateError, relative
from lib.page import export
from lib.study import execute, jobs, notebooks, runs
from lib.study.command import load, main
from lib.study.tables import write_tables


def write_page(profile, name):
    """Execute a chapter, and show it as a page."""
    if name in jobs.SUMMARIES:
        record = runs.read_record(profile.outputs)
        write_tables(profile)
    else:  # it shows images: those of the results, or it stops
        record = runs.prepare(profile)
    path = profile.outputs / "notebooks" / f"{name}.ipynb"
    beside = path.with_name(f".{path.name}")
    notebooks.execute(name, beside, {"params_file": str(profile.path)}, f"[{name}] ")
    notebook = nbformat.read(beside, as_version=4)
    wanted = jobs.fingerprint(name, profile, record, runs.plan(profile, record))
    notebook.metadata["study"] = {"fingerprint": wanted}
    files.write_text(beside, nbformat.writes(notebook) + "\n")
    export.write_page(
        beside, jobs.page_path(name, profile.outputs), **_page_words(name, profile.outputs)
    )
    beside.replace(path)
    print(f"[{name}] {relative(jobs.page_path(name, profile.outputs))}")


def _page_words(name, outputs):
    """Give a page links to the others, and what a shared link shows."""
    nav = {"Report": jobs.page_path("06_report", outputs)}
    for page in (*jobs.CHAPTERS, "05_evaluation"):
        nav[f"{int(page[:2])} {page[3:].replace('_', ' ')}"] = jobs.page_path(page, outputs)
    if name != "06_report":
        return {"nav": nav}
    picture = outputs / "figures" / "strip.png"
    about = "U-Net on DIC-C2DH-HeLa, with and without augmentation: a reproducibility study"
    return {"nav": nav, "code": False, "picture": picture, "description": about}


def report(profile):
    """Write the tables and the pages from the runs that are there, finished or not."""
    if not (profile.outputs / "references.json").exists():
        execute.score_references(profile)
    try:
        for name in jobs.CHAPTERS:
            write_page(profile, name)
    except (DataError, StateError) as error:
        print(f"chapters 1 to 4 stay as they are: {error}")
    for name in jobs.SUMMARIES:
        write_page(profile, name)


def compare(first):
    """Put two profiles side by side on one page; make says the second in STUDY_B."""
    pair = [first, load(os.environ.get("STUDY_B", ""))]
    for profile in pair:
        if not (profile.outputs / "summary.csv").exists():
            raise StateError(
                f"{relative(profile.outputs)}: no results there; run `make reproduce "
                f"PARAMS={relative(profile.path)}` first"
            )
    name = f"compare_{pair[0].name}_{pair[1].name}"
    folder = files.OUTPUTS / ".compare"
    target = folder / f"{name}.ipynb"
    notebooks.execute(
        "07_compare", target, {"a": str(pair[0].path), "b": str(pair[1].path)}, "[compare] "
    )
    page = files.OUTPUTS / f"{name}.html"
    export.write_page(target, page)
    print(f"the comparison is {relative(page)}")


if __name__ == "__main__":
    main({"page": write_page, "report": report, "compare": compare})
