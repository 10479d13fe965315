"""Two outputs folders against each other: what was run in each, and what came out.

What was run is read from the runs themselves: the params files may have changed since.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from lib import params, plan, scan
from lib.evaluation import read_example
from lib.files import StateError
from lib.paths import relative, run_folder
from lib.statistics import arm_differences, of_fold
from lib.tables import fold_words, interval

METRICS = {"f1_pooled": "F1", "iou_pooled": "foreground IoU", "seg_st": "SEG"}
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Study:
    """An outputs folder, as far as a comparison needs it.

    Parameters
    ----------
    name : str
    folder : Path
    data : dict
        The data, as in data.json.
    runs : dict of tuple to dict
        Settings of every run that was tested, by arm, fold and seed.
    codes : list of str
        The commits that the runs were made with, shortened.
    metrics, summary : pandas.DataFrame
        The profile's metrics.csv and summary.csv, without the baselines.
    """

    name: str
    folder: Path
    data: dict
    runs: dict
    codes: list
    metrics: pd.DataFrame
    summary: pd.DataFrame

    @property
    def arms(self):
        """Names of the arms that were run, in the order of the summary."""
        return list(dict.fromkeys(arm for arm, _, _ in self.runs))

    @property
    def folds(self):
        """Names of the folds that any arm was run on."""
        return list(dict.fromkeys(fold for _, fold, _ in self.runs))


# What was run -------------------------------------------------------------------------------


def read_study(folder, name):
    """Read an outputs folder.

    Parameters
    ----------
    folder : Path
    name : str
        What the page calls it.

    Returns
    -------
    Study

    Raises
    ------
    StateError
        If it is missing, is no outputs folder or has no results.
    """
    if not folder.is_dir():
        raise StateError(f"{relative(folder)}: no such folder")
    if not ((folder / "data.json").exists() and (folder / "runs").is_dir()):
        raise StateError(
            f"{relative(folder)}: is not an outputs folder, which has data.json and runs"
        )
    summary = _read_table(folder / "summary.csv")
    metrics = _read_table(folder / "metrics.csv")
    order = list(summary.arm.unique())
    runs, codes = {}, []
    # The trials of the scan and the baselines are no arms.
    for run in sorted(folder.glob("runs/*/*/seed*")):
        arm, fold, seed = run.parts[-3:]
        if arm in order:
            settings, record = _read_run(run)
            runs[arm, fold, int(seed.removeprefix("seed"))] = settings
            codes.append(_code(record))
    if not runs:
        raise StateError(f"{relative(folder)}: no arm of summary.csv has a finished run in runs")
    runs = {key: runs[key] for key in sorted(runs, key=lambda key: (order.index(key[0]), *key[1:]))}
    arms = {arm for arm, _, _ in runs}
    return Study(
        name,
        folder,
        plan.read_record(folder),
        runs,
        sorted(set(codes)),
        metrics[metrics.arm.isin(arms)],
        summary[summary.arm.isin(arms)],
    )


def _read_table(path):
    try:
        return pd.read_csv(path, dtype={"video": str})
    except (OSError, ValueError) as error:
        raise StateError(
            f"{relative(path)}: cannot be read; run "
            f"`make report PARAMS=params/{path.parent.name}.yaml` first"
        ) from error


def _read_run(folder):
    try:
        settings = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        return settings, json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StateError(f"{relative(folder)}: the run cannot be read: {error}") from error


def _code(record):
    commit = (record["commit"] or "unknown")[:7]
    return f"{commit} and changes" if record["dirty"] else commit


def same_images(a, b):
    """Whether two studies used the same images and the same truth."""
    return all(a.data["digests"][part] == b.data["digests"][part] for part in ("images", "silver"))


def shared_arms(a, b):
    """List the arms that both studies have."""
    return [arm for arm in a.arms if arm in b.arms]


def overview(a, b):
    """Say of each study what it is: images, runs, arms, folds, seeds and code.

    Returns
    -------
    pandas.DataFrame
        A row a property, a column a study.
    """
    columns = {study.name: _properties(study) for study in (a, b)}
    return pd.DataFrame(columns).rename_axis("property")


def _properties(study):
    frames = " and ".join(f"{n} of video {video}" for video, n in study.data["frames"].items())
    return {
        "images": study.data["label"],
        "frames": frames,
        "runs": len(study.runs),
        "arms": ", ".join(study.arms),
        "folds": ", ".join(study.folds),
        "seeds": len({seed for _, _, seed in study.runs}),
        "commit": ", ".join(study.codes),
    }


def setting_differences(a, b):
    """List the settings in which runs of the same name differ.

    Parameters
    ----------
    a, b : Study

    Returns
    -------
    pandas.DataFrame
        setting, a column a study with its value, and the arms (with folds, where it is so on some
        only) that differ in just this way.
    """
    shared = [key for key in a.runs if key in b.runs]
    where = {}
    for key in shared:
        for setting in dict.fromkeys([*a.runs[key], *b.runs[key]]):
            values = tuple(_written(study.runs[key], setting) for study in (a, b))
            if values[0] != values[1]:
                where.setdefault((setting, *values), set()).add(key[:2])
    rows = [
        (*found, _places(places, {key[:2] for key in shared})) for found, places in where.items()
    ]
    return pd.DataFrame(rows, columns=["setting", a.name, b.name, "arms"])


def _written(settings, key):
    value = settings.get(key, NOT_RECORDED)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _places(places, every):
    if places == every:
        return "every shared arm"
    words = []
    for arm in dict.fromkeys(arm for arm, _ in sorted(places)):
        folds = sorted(fold for name, fold in places if name == arm)
        everywhere = len(folds) == sum(name == arm for name, _ in every)
        words.append(arm if everywhere else f"{arm} (fold {', '.join(folds)})")
    return ", ".join(words)


def lone_arms(a, b):
    """List the arms that only one study has, each beside the arm that it resembles most.

    Parameters
    ----------
    a, b : Study

    Returns
    -------
    pandas.DataFrame
        arm, only in, nearest arm (of the same study and, where there is one, of both), difference.
    """
    rows = []
    for study, other in ((a, b), (b, a)):
        first = {}
        for (arm, _, _), settings in study.runs.items():
            first.setdefault(arm, settings)
        alone = [arm for arm in first if arm not in other.arms]
        for arm in alone:
            near = [name for name in first if name not in alone] or [n for n in alone if n != arm]
            differences = {name: _differences(first[name], first[arm]) for name in near}
            nearest = min(differences, key=lambda name: len(differences[name]), default=None)
            words = ", ".join(differences.get(nearest, [])) or "none"
            rows.append((arm, study.name, nearest, words if nearest else None))
    return pd.DataFrame(rows, columns=["arm", "only in", "nearest arm", "difference to it"])


def _differences(old, new):
    return [
        f"{key} {_written(new, key)} instead of {_written(old, key)}"
        for key in dict.fromkeys([*old, *new])
        if _written(old, key) != _written(new, key)
    ]


# What came out ------------------------------------------------------------------------------


def headline(a, b):
    """Name the fold on which scores are tabled: both videos held out, else the first of both.

    Returns
    -------
    str or None
        None where the studies share no fold.
    """
    shared = [fold for fold in a.summary.fold.unique() if fold in set(b.summary.fold)]
    return "video" if "video" in shared else next(iter(shared), None)


def paired_differences(a, b):
    """Measure how the second study differs from the first, arm by arm, on the frames of both.

    Parameters
    ----------
    a, b : Study

    Returns
    -------
    pandas.DataFrame
        what (the arm), fold, metric, mean, ci_low, ci_high of second minus first; no row where
        they share no frame of a seed, and none at all where the images are not the same.

    Raises
    ------
    StateError
        If the profile that a study records is not there any more: it says how intervals are drawn.
    """
    # Where the two differ, the more cautious: longer blocks, more resamples.
    drawn = [_bootstrap(study.folder) for study in (a, b)]
    bootstrap = {name: max(settings[name] for settings in drawn) for name in drawn[0]}
    # The pairing is by arm: here the study takes its place.
    both = pd.concat(
        [study.metrics.rename(columns={"arm": "what"}).assign(arm=study.name) for study in (a, b)]
    )
    rows = []
    for arm in shared_arms(a, b) if same_images(a, b) else []:
        for fold in ["video", *a.folds]:
            table = of_fold(both[both.what == arm], fold)
            if table.empty:
                continue
            found = arm_differences(table, b.name, a.name, shared_metrics(a, b), **bootstrap)
            rows += [(arm, fold, metric, *numbers) for metric, numbers in found.items()]
    columns = ["what", "fold", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="mean")


def _bootstrap(folder):
    """Read how the intervals of a study were drawn, by the profile that it records."""
    path = folder / "provenance.json"
    try:
        profile = params.load(json.loads(path.read_text(encoding="utf-8"))["profile"])
    except (OSError, ValueError, KeyError, params.ParamsError) as error:
        raise StateError(
            f"{relative(path)}: has to name a profile in params, which says how intervals are "
            f"drawn ({error})"
        ) from error
    return {name: profile.settings[f"evaluation.{name}"] for name in ("block", "resamples")}


def shared_metrics(a, b):
    """List the metrics of `METRICS` that both studies have; an older one may lack some."""
    return [name for name in METRICS if all(name in set(s.summary.metric) for s in (a, b))]


def scores(a, b, differences, fold, metric):
    """Lay out one metric for reading: an arm a row, "mean (low to high)" in a cell.

    Parameters
    ----------
    a, b : Study
    differences : pandas.DataFrame
        From `paired_differences`.
    fold, metric : str

    Returns
    -------
    pandas.DataFrame
        arm, a column a study, and second minus first; missing where there is none.
    """
    tables = {study.name: study.summary for study in (a, b)}
    tables["difference"] = differences.rename(columns={"what": "arm"})
    columns = {}
    for name, table in tables.items():
        rows = table[(table.fold == fold) & (table.metric == metric)].dropna(subset="mean")
        sign = "+" if name == "difference" else ""
        columns[name] = {row.arm: interval(row, f"{sign}.3f") for row in rows.itertuples()}
    arms = dict.fromkeys([*a.arms, *b.arms])
    return pd.DataFrame(columns, index=pd.Index(list(arms), name="arm"))


def finding(differences, fold, metric, names):
    """Say in how many arms the second study scores higher, lower, or neither for certain.

    Parameters
    ----------
    differences : pandas.DataFrame
        From `paired_differences`.
    fold, metric : str
    names : tuple of str
        Names of the studies.

    Returns
    -------
    str
    """
    where = fold_words(fold)
    rows = differences[(differences.fold == fold) & (differences.metric == metric)]
    if rows.empty:
        return f"{METRICS[metric]}, {where}."
    higher, lower = (rows.ci_low > 0).sum(), (rows.ci_high < 0).sum()
    return (
        f"{METRICS[metric]} of {names[1]} is higher than that of {names[0]} in {higher} of "
        f"{len(rows)} shared arms, lower in {lower}, and in {len(rows) - higher - lower} the "
        f"interval of the difference includes 0 ({where})."
    )


def read_histories(a, b, fold):
    """Read the histories of both studies on a fold.

    Returns
    -------
    pandas.DataFrame
        As history.csv with the columns arm, seed and study; arms of both first.
    """
    tables = [
        scan.read_history(study.folder, *key).assign(arm=key[0], seed=key[2], study=study.name)
        for study in (a, b)
        for key in study.runs
        if key[1] == fold
    ]
    histories = pd.concat(tables, ignore_index=True)
    alone = histories.groupby("arm").study.transform("nunique") == 1
    return histories.assign(alone=alone).sort_values("alone", kind="stable", ignore_index=True)


def same_frame(a, b, arm, fold):
    """Read the middle one of the test frames that both studies kept of an arm, seed 0.

    Returns
    -------
    list of dict or None
        Its example in each study, from `evaluation.read_example`; None where they share none.
    """
    kept = [_examples(study, arm, fold) for study in (a, b)]
    shared = sorted(kept[0].keys() & kept[1].keys())
    return [examples[shared[len(shared) // 2]] for examples in kept] if shared else None


def _examples(study, arm, fold):
    """Read the evenly spread examples of a run by video and frame."""
    path = run_folder(study.folder, arm, fold, 0) / "examples.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as kept:
        roles = [str(role) for role in kept["role"] if role.startswith("spread")]
    examples = [read_example(path, role) for role in roles]
    return {(str(example["video"]), int(example["frame"])): example for example in examples}
