"""Find the cells in what finished runs predicted, and score them as the challenge does.

No network is needed: a run keeps its predictions. The constants that turn probabilities into cells
are chosen on its validation frames, by the silver truth; the test frames are scored once with each.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import (
    baselines,
    cell_frames,
    constants,
    evaluation,
    instances,
    metrics,
    plan,
    results,
    study,
)
from lib.arrays import mark_unknown, to_gap_mask
from lib.augmentation import REFERENCE_SIZE
from lib.files import StateError, write_json, write_table
from lib.paths import ROOT

# What is no network, scored together; no arm can have this name.
REFERENCES = "references"
KEYS = ("arm", "fold", "seed", "turned", "method", "chosen")
# How far from the marker of a cell that the silver truth misses a pixel may belong to that cell, px
# at 512 px; no cell of the data is wider than twice this.
UNKNOWN_RADIUS = 80
# A change in these makes the counts anew.
CODE = ("arrays.py", "cell_frames.py", "cells.py", "constants.py", "instances.py", "metrics.py")


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
    content = [content, [(ROOT / "lib" / name).read_text(encoding="utf-8") for name in code]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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
            if is_done(reading, parent) and not is_done(reading, outputs):
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
    """Choose the constants of a reading, and write the counts of each test frame.

    Parameters
    ----------
    opened : study.Study
    reading : Reading
    """
    outputs, settings = opened.profile.outputs, opened.profile.settings
    split = plan.read_split(settings, reading.fold, opened.record, outputs)
    maps = mean_maps([run.folder(outputs) for run in reading.runs], turned=reading.turned)
    # Neighbouring frames are near copies; every second one tells as much in half the time.
    validation = split.validation[::2]
    table = constants.score_constants(
        [maps[pair][0] for pair in validation],
        study.full_labels(opened, validation),
        insides=[maps[pair][1] for pair in validation],
    )
    chosen, scores = choose(table)
    truth = Truth(opened, split)
    shape, best = tuple(opened.record["shape"]), constants.best_method(scores)
    keys = {
        "arm": reading.arm,
        "fold": reading.fold,
        "seed": reading.seed,
        "turned": reading.turned,
    }
    rows, kept, shown = [], {}, set().union(*cell_frames.shown_pairs(split.test, opened.labels))
    threshold = settings["evaluation.threshold"]
    for method, arguments in chosen.items():
        keys |= {"method": method, "chosen": method == best}
        for video, frame in split.test:
            # The others are compared by gold truth alone, which few frames have.
            if method == best or frame in truth.gold[video]:
                probability, inside = maps[video, frame]
                found = instances.segment(probability, shape, inside=inside, **arguments)
                foreground = instances.enlarge(probability, shape) >= threshold
                rows.append(keys | truth.count(video, frame, found, foreground))
                if method == best and (video, frame) in shown:
                    kept[video, frame] = instances.in_field(found, truth.margin)
    path = reading.path(outputs)
    write_table(path, pd.DataFrame(rows))
    if reading.seed in (0, "mean"):
        cell_frames.save_cells(path.with_suffix(".npz"), kept)
    record = {
        "fingerprint": reading.fingerprint,
        "constants": chosen,
        "validation_seg": scores,
        "margin": truth.margin,
    }
    write_json(path.with_suffix(".json"), record)


def score_references(profile, runs, say=print):
    """Score what is no network: the floor, and the ceiling of what the labels can teach.

    ``silver_truth`` is the truth that networks learn from, ``perfect_mask`` its foreground cut
    into components, ``perfect_gap_128`` its cells with a gap between them at 128 px, grown back.
    The others are those of `baselines.predictions`.

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
    opened, rows, sizes = study.open_study(profile.path), [], _sizes(runs)
    for fold in folds:
        split = plan.read_split(profile.settings, fold, opened.record, profile.outputs)
        truth = Truth(opened, split)
        for arm, predictions in _references(opened, split, sizes).items():
            keys = {
                "arm": arm,
                "fold": fold,
                "seed": 0,
                "turned": False,
                "method": "",
                "chosen": True,
            }
            rows += [
                keys | truth.count(video, frame, cells, cells > 0)
                for (video, frame), cells in zip(split.test, predictions, strict=True)
                if cells is not None
            ]
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
    return _fingerprint(content, (*CODE, "baselines.py"))


def _sizes(runs):
    return sorted({run.settings["image.size"] for run in runs if run.side == "test"})


def _references(opened, split, sizes):
    silver = study.full_labels(opened, split.test)
    found = {
        "silver_truth": silver,
        "perfect_mask": [instances.to_cells(labels > 0) for labels in silver],
    }
    for size in sizes:
        settings = {"image.size": size, "image.normalise": "none"}
        validation, test = (
            np.float32(to_gap_mask(study.load_side(opened, pairs, settings)[1]))
            for pairs in (split.validation, split.test)
        )
        labels = study.full_labels(opened, split.validation)
        arguments = constants.choose_constants(
            constants.score_constants(validation, labels, thresholds=(0.5,), split=(0,), markers=())
        )
        found[f"perfect_gap_{size}"] = [
            instances.segment(mask, labels.shape[1:], **arguments) for mask in test
        ]
    return found | baselines.predictions(opened, split)


def choose(table):
    """Choose the constants of each method.

    Parameters
    ----------
    table : pandas.DataFrame
        From `constants.score_constants`.

    Returns
    -------
    chosen : dict of str to dict
        Arguments of `instances.segment` by method.
    scores : dict of str to float
        SEG of each on the frames that it was chosen on.
    """
    parts = {method: table.query(rows) for method, rows in constants.METHODS.items()}
    chosen = {method: constants.choose_constants(part) for method, part in parts.items()}
    return chosen, {method: round(float(part.seg.max()), 3) for method, part in parts.items()}


def mean_maps(folders, *, turned):
    """Read what runs predicted, averaged over the runs.

    Parameters
    ----------
    folders : list of Path
        Folders of runs on the same frames.
    turned : bool
        Whether to take the mean over flips and turns.

    Returns
    -------
    dict of tuple to tuple of ndarray
        By video and frame: the foreground probability, shape (M, M), from 0 to 1, and the map that
        cells are cut out of.
    """
    kept = [evaluation.read_predictions(folder / "predictions.npz") for folder in folders]
    prefix = "turned_" if turned else ""
    foreground, inside = (
        np.mean([maps.get(prefix + name, maps[f"{prefix}probability"]) for _, maps in kept], axis=0)
        for name in ("probability", "inside")
    )
    pairs, _ = kept[0]
    return dict(zip(pairs, zip(foreground, inside, strict=True), strict=True))


class Truth:
    """What is known of the cells of the test videos: silver truth, gold truth, markers.

    Parameters
    ----------
    opened : study.Study
    split : splits.Split
        Where no truth has a cell is read off its training side: `instances.field_margin`.
    """

    def __init__(self, opened, split):
        videos = sorted({video for video, _ in split.test})
        self.silver = opened.labels
        self.gold = {video: study.gold(opened, video) for video in videos}
        self.markers = {video: study.markers(opened, video) for video in videos}
        known = study.full_labels(opened, [*split.train, *split.validation])
        self.margin = instances.field_margin(known)

    def count(self, video, frame, cells, foreground):
        """Count what every measure of a frame is made of.

        Cells that lie wholly in the margin of the frame, and their pixels, are left out first.

        Parameters
        ----------
        video : str
        frame : int
        cells : ndarray of int, shape (M, N)
            Predicted instance ids, at the size of the labels.
        foreground : ndarray of bool, shape (M, N)
            Predicted foreground, before cells were cut out.

        Returns
        -------
        dict
            video, frame, gold_ and silver_ jaccard and true_cells, the counts of
            `instances.det_counts` and `instances.error_counts`, tp, fp, fn and tn of the cells;
            foreground_tp, _fp and _fn, and known_fp, those of the false pixels that are not near
            a cell that the silver truth misses. None, or nothing, for what needs gold truth or
            markers where there are none.
        """
        silver = self.silver[video][frame]
        found = instances.in_field(cells, self.margin)
        foreground, cells = foreground & ((found > 0) | (cells == 0)), found
        counts = {"video": video, "frame": frame}
        for name, labels in (("gold", self.gold[video].get(frame)), ("silver", silver)):
            # Where there is no gold truth its columns are there all the same, and empty.
            scored = instances.seg_counts(silver if labels is None else labels, cells)
            values = {f"{name}_{key}": value for key, value in scored.items()}
            counts |= dict.fromkeys(values) if labels is None else values
        known = silver
        if frame in self.markers[video]:
            markers = self.markers[video][frame]
            counts |= instances.det_counts(markers, cells)
            known = mark_unknown(silver, markers, UNKNOWN_RADIUS * len(silver) / REFERENCE_SIZE)
        counts |= instances.error_counts(silver, cells) | metrics.count(silver, cells)
        pixels = metrics.count(silver, foreground)
        counts |= {f"foreground_{name}": pixels[name] for name in ("tp", "fp", "fn")}
        return counts | {"known_fp": int(np.sum(foreground & (known == 0)))}
