"""Put two outputs folders side by side on one page.

``python -m lib.compare outputs/x outputs/y`` writes outputs/compare_x_y.html.
"""

import argparse
import tempfile
from itertools import count
from pathlib import Path

import nbformat
from nbformat import v4

from lib import arm_curves, comparison, curves, figures, report
from lib.files import StateError
from lib.paths import OUTPUTS, relative
from lib.statistics import is_video_fold

CURVES = {"val_loss": "validation loss", "val_f1": "validation F1, pooled"}


def main(words=None):
    """Write the page; an expected error ends it with one message and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m lib.compare", description=__doc__)
    parser.add_argument("first", metavar="outputs/x")
    parser.add_argument("second", metavar="outputs/y")
    arguments = parser.parse_args(words)
    try:
        print(f"comparison: {relative(compare(arguments.first, arguments.second))}")
    except StateError as error:
        parser.exit(2, f"error: {error}\n")
    except OSError as error:
        parser.exit(2, f"error: {error.filename or 'a file'}: {error.strerror or error}\n")


def compare(first, second):
    """Write the page that compares two outputs folders.

    Parameters
    ----------
    first, second : str or Path
        Outputs of profiles.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StateError
        If one of them is missing, is no outputs folder or has no results, or both are the same.
    """
    if not (first and second):
        raise StateError("two folders are needed: make compare A=outputs/x B=outputs/y")
    folders = [Path(folder).resolve() for folder in (first, second)]
    if folders[0] == folders[1]:
        raise StateError(f"{relative(folders[0])}: cannot be compared with itself")
    names = [folder.name for folder in folders]
    page = OUTPUTS / f"compare_{'_'.join(names)}.html"
    if names[0] == names[1]:
        names = [relative(folder) for folder in folders]
    studies = [
        comparison.read_study(folder, name) for folder, name in zip(folders, names, strict=True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        cells = [_cell(part) for part in parts(*studies, Path(scratch))]
        notebook = Path(scratch) / "compare.ipynb"
        nbformat.write(v4.new_notebook(cells=cells), notebook)
        page.parent.mkdir(parents=True, exist_ok=True)
        report.write_report(notebook, page, title=f"{names[0]} and {names[1]} compared")
    return page


def _cell(part):
    if isinstance(part, str):
        return v4.new_markdown_cell(part)
    shown = v4.new_output("display_data", {"text/html": part.data})
    return v4.new_code_cell("", outputs=[shown])


def parts(a, b, scratch):
    """Make the parts of the page in their order.

    Parameters
    ----------
    a, b : Study
    scratch : Path
        Folder that figures are written to before they are embedded.

    Yields
    ------
    str or IPython.display.HTML
        Markdown, or something shown.
    """
    tables, drawn = map(str, count(1)), map(str, count(1))
    phantoms = [study.name for study in (a, b) if study.data["source"] == "phantom"]
    if phantoms:
        yield report.notice(f"Not real images, but a phantom: {', '.join(phantoms)}.", "warning")
    paired = comparison.same_images(a, b)
    if not paired:
        yield report.notice(
            "The two were run on different images or labels: scores stand side by side, but no "
            "difference is taken between them and no frame is shown.",
            "warning",
        )
    if not comparison.shared_arms(a, b):
        yield report.notice("The two have no arm in common.", "warning")
    yield report.table(comparison.overview(a, b), number=next(tables), caption="What is compared.")
    yield from _what_was_run(a, b, tables)
    yield from _scores(a, b, tables, drawn, scratch)
    yield from _curves(a, b, drawn, scratch)
    if paired:
        yield from _frames(a, b, drawn, scratch)


def _what_was_run(a, b, tables):
    yield "## Settings\n\nAs they are recorded beside each run, not as the params files are now."
    if a.runs.keys() & b.runs.keys():
        differing = comparison.setting_differences(a, b)
        if differing.empty:
            yield "Runs of the same arm, fold and seed have the same settings in both."
        else:
            caption = "Settings in which runs of the same arm, fold and seed differ."
            yield report.table(differing, number=next(tables), caption=caption)
    alone = comparison.lone_arms(a, b)
    if not alone.empty:
        caption = "Arms that only one of the two has, and how each differs from its nearest arm."
        yield report.table(alone, number=next(tables), caption=caption)


def _scores(a, b, tables, drawn, scratch):
    yield (
        "## Scores\n\nOn the test frames, with 95 % intervals. The difference is "
        f"`{b.name}` minus `{a.name}`, paired by seed and frame: what the two share cancels, so "
        "that its interval may be narrower than those of the scores."
    )
    fold, metrics = comparison.headline(a, b), comparison.shared_metrics(a, b)
    if fold is None or not metrics:
        yield report.notice("The two have no fold, or no metric, in common.", "warning")
        return
    differences = comparison.paired_differences(a, b)
    for metric in metrics:
        yield report.table(
            comparison.scores(a, b, differences, fold, metric),
            number=next(tables),
            caption=comparison.finding(differences, fold, metric, (a.name, b.name)),
        )
    if not differences.empty:
        labels = {metric: f"difference in {comparison.METRICS[metric]}" for metric in metrics}
        figure = curves.draw_effects(differences, labels)
        yield report.figure(
            figures.save(figure, scratch, "differences", svg=True).with_suffix(".svg"),
            number=next(drawn),
            caption=f"{b.name} minus {a.name}: right of the line {b.name} scores higher.",
            alt="Forest plot, an arm a row, with a point and an interval for each fold",
        )


def _curves(a, b, drawn, scratch):
    shared = [fold for fold in a.folds if fold in b.folds]
    if not shared:
        return
    yield (
        "## Learning curves\n\nBy number of updates. An arm that only one of the two has is drawn "
        "alone."
    )
    for fold in shared:
        histories = comparison.read_histories(a, b, fold)
        for metric, label in CURVES.items():
            figure = arm_curves.draw_two_studies(
                histories, (a.name, b.name), metric=metric, label=label
            )
            yield report.figure(
                figures.save(figure, scratch, f"{metric}_{fold}", svg=True).with_suffix(".svg"),
                number=next(drawn),
                caption=f"{label.capitalize()} on fold {fold}. {_ends(histories, metric, a, b)}",
                alt=f"Curves of {label} by updates, an arm a panel, a line for each of the two",
                sources={"runs/*/history.csv": ""},
            )


def _ends(histories, metric, a, b):
    """Say where the curves of the shared arms lead: the best value of each study, as a mean."""
    best = histories[~histories.alone].groupby(["study", "arm", "seed"])[metric]
    best = best.min() if metric == "val_loss" else best.max()
    if best.empty:
        return ""
    means = best.groupby("study").mean()
    return (
        f"The best epoch of the shared arms has on average {means[a.name]:.3f} in {a.name} and "
        f"{means[b.name]:.3f} in {b.name}."
    )


def _frames(a, b, drawn, scratch):
    shared = [fold for fold in a.folds if fold in b.folds]
    held_out = [fold for fold in shared if is_video_fold(fold)]
    for fold in (held_out or shared)[:1]:
        yield f"## The same frames\n\nA test frame of fold {fold} that both kept, arm by arm."
        for arm in comparison.shared_arms(a, b):
            pair = comparison.same_frame(a, b, arm, fold)
            if pair is None:
                yield f"Of `{arm}` the two kept no frame in common."
                continue
            titles = [f"{arm}, {study.name}" for study in (a, b)]
            figure = figures.draw_mistakes(
                list(zip(titles, pair, strict=True)),
                threshold=a.runs[arm, fold, 0]["evaluation.threshold"],
            )
            yield report.figure(
                figures.save(figure, scratch, f"frame_{arm}"),
                number=next(drawn),
                caption=(
                    f"{arm}, video {pair[0]['video']} frame {pair[0]['frame']}: {a.name} above, "
                    f"{b.name} below."
                ),
                alt="Two rows of a test frame, its probabilities, and its missed and false pixels",
                sources={f"runs/{arm}/{fold}/seed0/examples.npz": ""},
            )


if __name__ == "__main__":
    main()
