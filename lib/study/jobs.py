"""What is still to be done in a profile, and why: runs, references, pages."""

from collections import namedtuple

from lib.data.files import NOTEBOOKS, PARAMS, relative
from lib.study.runs import digest_of, locate, plan, why

CHAPTERS = ("01_data", "02_augmentation", "03_weight_maps", "04_training")
# These read what the runs left, and the rules.
SUMMARIES = ("05_evaluation", "06_report")
RULES = ("claims.yaml", "published.csv", "published_curves.csv")


# A run, the references or a page that is still to be done: what it makes and waits for, and why.
Job = namedtuple("Job", ["name", "target", "needs", "why"])


def fingerprint(page, profile, record, runs):
    """Name what a page is made from: its notebook, the data, and the runs it reads.

    Not the code of lib/: a change there that changes no number needs no new page, and
    `make report` writes them all anew.
    """
    cards = {arm: card.model_dump() for arm, card in profile.cards.items()}
    content = [_text(NOTEBOOKS / f"{page}.ipynb"), record["digests"], cards]
    content.append(profile.settings.model_dump())
    if page in SUMMARIES:
        content.append([run.name for run in runs if locate(run, profile)])
        content += [_text(PARAMS / name) for name in RULES]
    return digest_of(content)[:16]


def references_key(record, runs):
    """Name what the scores of baselines and ceilings depend on."""
    folds = sorted({run.fold for run in runs})
    sizes = sorted({run.settings.image.size for run in runs})
    split = runs[0].settings.split.model_dump() if runs else {}
    return digest_of([record["digests"], folds, sizes, split])[:16]


def page_path(page, outputs):
    """Where a notebook is shown as a page."""
    return outputs / ("report.html" if page == "06_report" else f"chapters/{page}.html")


def jobs(profile, record):
    """List what is still to be done, each after all that it waits for."""
    outputs, runs, found = profile.outputs, plan(profile, record), {}

    def add(name, target, needs, reason):
        waits = [found[need].target for need in needs if need in found]
        found[name] = Job(name, relative(target), waits, reason)

    for run in runs:
        if locate(run, profile) is None:
            add(run.name, run.folder(outputs) / "provenance.json", run.needs, why(run, profile))
    key = references_key(record, runs)
    if key not in _text(outputs / "references.json"):
        add("references", outputs / ".done" / f"references-{key}", (), "new")
    for page in CHAPTERS + SUMMARIES:
        key = fingerprint(page, profile, record, runs)
        done = key in _text(outputs / "notebooks" / f"{page}.ipynb")
        done = done and page_path(page, outputs).is_file()
        reads = list(found) if page in SUMMARIES else []
        if reads or not done:
            reason = "what it shows is made anew" if done else "new or changed"
            add(page, outputs / ".done" / f"{page}-{key}", reads, reason)
    return list(found.values())


def _text(path):
    """Read a file, empty where it is not there; what is made from a key has that key in it."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
