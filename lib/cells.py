"""Find the cells in what finished runs predicted: what is read, what is counted, what is left.

No network is needed: a run keeps its predictions. How cells are counted is in `lib.cell_counts`.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cache

import pandas as pd

from lib import cell_counts, cell_frames, plan, results, study
from lib.files import StateError, write_json, write_table
from lib.paths import ROOT

# What is no network, scored together; no arm can have this name.
REFERENCES = "references"
KEYS = ("arm", "fold", "seed", "turned", "method", "chosen")
# A change in these makes the counts anew.
CODE = ("arrays", "cell_counts", "cell_frames", "constants", "instances", "metrics")


@dataclass(frozen=True)
class Reading:
    """What cells are cut out of: the prediction of one run, or the mean over runs or over turns.

    `seed` is a number, or ``mean`` for all seeds; `turned` says whether the mean over the eight
    flips and quarter turns is taken.
    """

    arm: str
    fold: str
    seed: int | str
    turned: bool
    runs: tuple

    @property
    def name(self):
        """Name of the reading's files."""
        seed = self.seed if self.seed == "mean" else f"seed{self.seed}"
        return f"{seed}_turned" if self.turned else seed

    def path(self, outputs):
        """File of the counts of every frame; the constants lie beside it."""
        return outputs / "cells" / self.arm / self.fold / f"{self.name}.csv"

    @property
    def fingerprint(self):
        """Fingerprint of what the counts depend on: the runs and the code."""
        return _fingerprint([self.name, [run.fingerprint for run in self.runs]], CODE)


def readings(profile, runs):
    """List what cells are found in: the runs on the folds that arms are compared on.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
        From `plan.plan`.

    Returns
    -------
    list of Reading
        One a run; two where it keeps the mean over turns; and, for such an arm, the means over
        its seeds.
    """
    _, folds = results.headline_folds(profile)
    groups = {}
    for run in runs:
        if run.side == "test" and run.fold in folds:
            groups.setdefault((run.arm, run.fold), []).append(run)
    found = []
    for (arm, fold), group in groups.items():
        turned = bool(group[0].settings.get("evaluation.turns"))
        parts = [(run.seed, (run,)) for run in group]
        if turned and len(group) > 1:
            parts.append(("mean", tuple(group)))
        for seed, part in parts:
            found += [Reading(arm, fold, seed, turn, part) for turn in (False, True)[: 1 + turned]]
    return found


def is_done(reading, outputs):
    """Whether the counts are there, and were made from these runs with this code."""
    return _is_current(reading.path(outputs), reading.fingerprint)


def references_done(profile, runs):
    """Whether the counts of what is no network are there, and were made as they would be now."""
    fingerprint = _references_fingerprint(profile, runs)
    return _is_current(references_path(profile.outputs), fingerprint)


def _is_current(path, fingerprint):
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return path.exists() and record.get("fingerprint") == fingerprint


def _fingerprint(content, code):
    content = [content, [_text(name) for name in code]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@cache
def _text(name):
    """Text of a module, read once: what runs does not change with its file."""
    return (ROOT / "lib" / f"{name}.py").read_text(encoding="utf-8")


def scored_arms(profile, runs):
    """List the arms whose cells are scored, the `REFERENCES` first."""
    return [REFERENCES, *dict.fromkeys(reading.arm for reading in readings(profile, runs))]


def pending_arms(profile, runs):
    """List the arms of which some cells are not scored yet, the `REFERENCES` among them."""
    outputs = profile.outputs
    pending = {reading.arm for reading in readings(profile, runs) if not is_done(reading, outputs)}
    if not references_done(profile, runs):
        pending.add(REFERENCES)
    return [arm for arm in scored_arms(profile, runs) if arm in pending]


def drop(run, profile, runs):
    """Forget what was counted in a run of the same settings that was there before.

    Parameters
    ----------
    run : Run
        One that was trained, or taken over, anew.
    profile : params.Profile
    runs : list of Run
    """
    for reading in readings(profile, runs):
        if run in reading.runs:
            reading.path(profile.outputs).with_suffix(".json").unlink(missing_ok=True)


def adopt(profile, runs):
    """Take over what a parent of the profile has counted in the same runs.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Raises
    ------
    StateError
        If a file cannot be written.
    """
    outputs = profile.outputs
    for parent in (plan.OUTPUTS / name for name in reversed(profile.parents)):
        for reading in readings(profile, runs):
            done = is_done(reading, parent) and not is_done(reading, outputs)
            if done and all(plan.is_shared(run, parent, outputs) for run in reading.runs):
                _copy(reading.path(parent), reading.path(outputs))
        fingerprint = _references_fingerprint(profile, runs)
        theirs, ours = references_path(parent), references_path(outputs)
        if _is_current(theirs, fingerprint) and not _is_current(ours, fingerprint):
            _copy(theirs, ours)


def _copy(theirs, ours):
    """Copy counts and what lies beside them; the record, which says that they are whole, last."""
    beside = [theirs.with_suffix(suffix) for suffix in (".npz", ".csv", ".json")]
    frames = theirs.parent.glob("frames_*.npz") if theirs.stem == REFERENCES else ()
    try:
        ours.parent.mkdir(parents=True, exist_ok=True)
        for path in (*frames, *beside):
            if path.exists():
                shutil.copy(path, ours.with_name(path.name))
    except OSError as error:
        raise StateError(f"{ours}: cannot be written: {error}") from error


def score_arm(profile, runs, arm, say=print):
    """Find and score the cells of an arm, in every reading whose runs are finished.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    arm : str
        Or `REFERENCES`, for what is no network.
    say : callable
        Told a line a reading.
    """
    if arm == REFERENCES:
        score_references(profile, runs, say)
        return
    outputs, opened = profile.outputs, None
    for reading in readings(profile, runs):
        if reading.arm != arm or is_done(reading, outputs):
            continue
        if all(plan.is_done(run, outputs) for run in reading.runs):
            opened = opened or study.open_study(profile.path)
            score(opened, reading)
            say(f"cells of {arm}/{reading.fold}/{reading.name}: scored")


def score(opened, reading):
    """Count in each test frame of a reading, and keep the counts with what they were made with.

    Parameters
    ----------
    opened : study.Study
    reading : Reading
    """
    outputs = opened.profile.outputs
    split = plan.read_split(opened.profile.settings, reading.fold, opened.record, outputs)
    folders = [run.folder(outputs) for run in reading.runs]
    maps = cell_counts.mean_maps(folders, turned=reading.turned)
    rows, shown, record = cell_counts.count_cells(opened, split, maps)
    keys = {name: getattr(reading, name) for name in ("arm", "fold", "seed", "turned")}
    path = reading.path(outputs)
    write_table(path, pd.DataFrame([keys | row for row in rows]))
    if reading.seed in (0, "mean"):
        cell_frames.save_cells(path.with_suffix(".npz"), shown)
    write_json(path.with_suffix(".json"), {"fingerprint": reading.fingerprint} | record)


def score_references(profile, runs, say=print):
    """Score what is no network, and keep the frames that are shown.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    say : callable
        Told when it is done.
    """
    if references_done(profile, runs):
        return
    path, fingerprint = references_path(profile.outputs), _references_fingerprint(profile, runs)
    _, folds = results.headline_folds(profile)
    opened, sizes, rows = study.open_study(profile.path), _sizes(runs), []
    for fold in folds:
        split = plan.read_split(profile.settings, fold, opened.record, profile.outputs)
        keys = {"fold": fold, "seed": 0, "turned": False, "method": "", "chosen": True}
        rows += [keys | row for row in cell_counts.count_references(opened, split, sizes)]
        frames = path.with_name(f"frames_{fold}.npz")
        cell_frames.save_frames(frames, opened.images, opened.labels, split.test)
    write_table(path, pd.DataFrame(rows))
    write_json(path.with_suffix(".json"), {"fingerprint": fingerprint})
    say("cells of what is no network: scored")


def references_path(outputs):
    """File of the counts of what is no network."""
    return outputs / "cells" / f"{REFERENCES}.csv"


def _references_fingerprint(profile, runs):
    record = plan.read_record(profile.outputs)
    # The margin, and what baselines and growth are fitted on, depend on the split.
    splits = [profile.settings[f"split.{key}"] for key in plan.SPLIT_KEYS]
    content = [record["digests"], results.headline_folds(profile)[1], splits, _sizes(runs)]
    return _fingerprint(content, (*CODE, "baselines"))


def _sizes(runs):
    return sorted({run.settings["image.size"] for run in runs if run.side == "test"})
