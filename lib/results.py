"""Collect what the runs of a profile wrote into the tables that the report reads."""

import json

import pandas as pd

from lib import plan, scan
from lib.evaluation import read_example, read_predictions
from lib.files import StateError
from lib.metrics import COUNTS, scores
from lib.statistics import is_video_fold

KEYS = ["arm", "fold", "seed"]
# A run that calls this share of the pixels the same in every test frame hardly looks at the images.
ONE_ANSWER = 0.95


def headline_folds(profile):
    """Name the folds on which arms are compared: those that hold a whole video out.

    Parameters
    ----------
    profile : params.Profile

    Returns
    -------
    headline : str
        ``video``, the mean over them, where there are two; else the first fold of the profile.
    folds : list of str
        The folds behind it.
    """
    folds = used_folds(profile)
    held_out = [fold for fold in folds if is_video_fold(fold)]
    return ("video", held_out) if len(held_out) > 1 else (folds[0], folds[:1])


def used_folds(profile):
    """List the folds of the profile that any of its arms is run on, in their order.

    Parameters
    ----------
    profile : params.Profile

    Returns
    -------
    list of str
        The first is the one whose curves the report draws.
    """
    used = {
        fold for arm in profile.settings["grid.arms"] for fold in profile.arms[arm]["grid.folds"]
    }
    return [fold for fold in profile.settings["grid.folds"] if fold in used]


def check_compared(profile, runs):
    """Refuse to compare arms while none was run on every fold on which arms are compared.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Raises
    ------
    StateError
        If there is nothing to compare.
    """
    _, folds = headline_folds(profile)
    tested = {(run.arm, run.fold) for run in _tested(profile, runs)}
    if not any(all((arm, fold) in tested for fold in folds) for arm in profile.arms):
        raise StateError(
            f"{profile.outputs}: no arm has a finished run on {' and on '.join(folds)}, so there "
            "is nothing to compare yet; `make reproduce` goes on with the runs"
        )


def run_table(profile, runs):
    """List every planned run with what became of it.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        arm, fold, seed, side, status (completed, diverged, failed, not run), learning_rate,
        updates, epochs, best_epoch, parameters, minutes, processor, commit, dirty, error.
    """
    return pd.DataFrame([_run_row(profile, run) for run in runs])


def made(runs):
    """Take the runs of a run table that left scores, as one that diverged did.

    Parameters
    ----------
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    pandas.DataFrame
    """
    return runs[runs.status.isin(["completed", "diverged"])]


def uncompleted(runs):
    """Take the runs of a run table that were begun and not completed.

    Parameters
    ----------
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    pandas.DataFrame
    """
    return runs[~runs.status.isin(["completed", "not run"])]


def scan_tables(profile, runs):
    """Collect the learning-rate scans of every fold whose trials are done; maybe without rows.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        As `scan.table`.
    """
    trials = [run for run in runs if run.side == "validation"]
    undone = {run.name for run in trials if not plan.is_done(run, profile.outputs)}
    scanned = dict.fromkeys(
        (profile.arms[run.arm]["scan.arm"], run.fold)
        for run in runs
        if run.settings["training.learning_rate"] == "scan" and undone.isdisjoint(run.needs)
    )
    columns = ["arm", "fold", "learning_rate", "updates", "loss", "val_loss", "diverged"]
    nothing = pd.DataFrame(columns=[*columns, "left_plateau", "chosen"])
    tables = [scan.table(profile, arm, fold) for arm, fold in scanned]
    return pd.concat(tables, ignore_index=True) if tables else nothing


def read_metrics(profile, runs):
    """Read the test metrics of every finished run, and the baselines.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        arm, fold, seed, video, frame, metric, value.
    """
    tables = [_read(run.folder(profile.outputs) / "metrics.csv") for run in _tested(profile, runs)]
    baselines = profile.outputs / "baselines.csv"
    return pd.concat([*tables, _read(baselines)], ignore_index=True)


def f1_of_runs(metrics, arm, fold):
    """Pool the test frames of each run of an arm.

    Parameters
    ----------
    metrics : pandas.DataFrame
        From `read_metrics`.
    arm, fold : str

    Returns
    -------
    pandas.Series
        F1 by seed.
    """
    own = metrics[(metrics.arm == arm) & (metrics.fold == fold) & metrics.metric.isin(COUNTS)]
    counts = own.groupby(["seed", "metric"]).value.sum().unstack(fill_value=0)
    f1 = {seed: scores(pooled)["f1"] for seed, pooled in counts.iterrows()}
    return pd.Series(f1, dtype=float)


def one_answer(profile, runs):
    """Measure how much of what each finished run answers does not depend on the image.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        arm, fold, seed, share: of the pixels, those that get the same answer, cell or background,
        in every test frame; marked: of all pixels of these frames, those that are called cell.
    """
    rows = []
    for run in _tested(profile, runs):
        folder = run.folder(profile.outputs)
        frames = _read(folder / "metrics.csv")[["video", "frame"]].drop_duplicates()
        tested = set(frames.itertuples(index=False, name=None))
        pairs, maps = read_predictions(folder / "predictions.npz")
        found = maps["probability"] >= profile.settings["evaluation.threshold"]
        found = found[[pair in tested for pair in pairs]]
        share = (found == found[0]).all(axis=0).mean()
        rows.append([run.arm, run.fold, run.seed, share, found.mean()])
    return pd.DataFrame(rows, columns=[*KEYS, "share", "marked"])


def read_histories(profile, runs):
    """Read the history of every finished run.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        arm, fold, seed and the columns of history.csv.
    """
    tables = []
    for run in runs:
        if plan.is_done(run, profile.outputs):
            history = scan.read_history(profile.outputs, run.arm, run.fold, run.seed)
            tables.append(history.assign(arm=run.arm, fold=run.fold, seed=run.seed))
    if not tables:
        raise StateError(f"{profile.outputs}: no run is finished; run `make reproduce` first")
    return pd.concat(tables, ignore_index=True)


def best_arm(profile, summary, metric):
    """Name the arm of the profile with the highest mean of a metric.

    Parameters
    ----------
    profile : params.Profile
    summary : pandas.DataFrame
        Rows of one fold.
    metric : str

    Returns
    -------
    str
    """
    scored = summary[(summary.metric == metric) & summary.arm.isin(profile.arms)]
    return scored.loc[scored["mean"].idxmax(), "arm"]


def read_examples(profile, runs, fold, role="middle"):
    """Read a frame that the finished runs of seed 0 kept.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    fold : str
    role : str
        As for `evaluation.read_example`.

    Returns
    -------
    dict of str to dict
        The example of each arm that has one.
    """
    chosen = [run for run in runs if (run.fold, run.seed, run.side) == (fold, 0, "test")]
    examples = {
        run.arm: read_example(run.folder(profile.outputs) / "examples.npz", role)
        for run in chosen
        if plan.is_done(run, profile.outputs)
    }
    return {arm: example for arm, example in examples.items() if example is not None}


def _tested(profile, runs):
    """Take the finished runs that met the test frames."""
    return [run for run in runs if run.side == "test" and plan.is_done(run, profile.outputs)]


def _run_row(profile, run):
    row = {"arm": run.arm, "fold": run.fold, "seed": run.seed, "side": run.side}
    if not plan.is_done(run, profile.outputs):
        error = run.partial(profile.outputs) / "error.txt"
        if error.exists():
            return row | {"status": "failed", "error": error.read_text(encoding="utf-8").strip()}
        return row | {"status": "not run"}
    folder = run.folder(profile.outputs)
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    history = scan.read_history(profile.outputs, run.arm, run.fold, run.seed)
    return row | {
        "status": provenance["status"],
        "learning_rate": provenance["learning_rate"],
        "updates": int(history.updates.iloc[-1]),
        "epochs": len(history),
        "best_epoch": provenance["best_epoch"],
        "parameters": provenance["parameters"],
        "minutes": history.seconds.sum() / 60,
        "processor": ", ".join(provenance.get("accelerators", ()))
        or provenance["hardware"]["processor"],
        "commit": provenance["commit"],
        "dirty": provenance["dirty"],
    }


def _read(path):
    try:
        return pd.read_csv(path, dtype={"video": str})
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read: {error}") from error
