"""What notebook 04 trains: a run of the grid, or a short one for whoever opens it by hand."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data import files, source
from lib.data.arrays import load_side
from lib.data.dataset import data_record, shown_frames, shown_step
from lib.data.splits import Split
from lib.network import inference, training
from lib.scoring.pixels import one_answer
from lib.scoring.segment import segment
from lib.scoring.truth import score_frames, score_readings
from lib.study import params, provenance, runs, schema


@dataclass(frozen=True)
class Task:
    """One training: its settings, its frames, and the folder that gets what it leaves."""

    folder: Path
    arm: str
    fold: str
    seed: int
    settings: schema.Settings
    record: dict

    @property
    def split(self):
        """Frames of the run. A trial is scored on every second validation frame instead."""
        split = runs.split_of(self.settings, self.fold, self.record)
        if self.settings.evaluation.side == "test":
            return split
        return Split(split.fold, split.train, split.validation, split.validation[1::2])


def open_task(folder="", *, params_file, arm, fold, seed, updates):
    """Open the run of a folder, or a short one of an arm in a folder of its own.

    Parameters
    ----------
    folder : str
        Folder of a run under way, from `runs.begin`; empty for a short training.
    params_file, arm, fold : str
        Of the short training.
    seed, updates : int
        Of the short training.

    Returns
    -------
    Task

    Raises
    ------
    ParamsError, DataError, StateError
        If the params file, the images or the folder are not as they have to be.
    """
    if folder:
        run = runs.read_run(Path(folder))
        names = ("arm", "fold", "seed", "settings")
        return Task(Path(folder), *(run[name] for name in names), run["data"])
    profile = params.load(params_file)
    if arm not in profile.arms:
        raise params.ParamsError(f"arm: {arm!r} is no arm of {profile.name}")
    record = data_record(source.find_source(profile.settings.data))
    short = {"training.updates": updates, "training.epoch_updates": max(1, updates // 5)}
    settings = schema.changed(schema.arm_on(profile.arms[arm], fold), short)
    folder = Path(tempfile.mkdtemp())
    runs.write_run(folder, runs.Run(arm, fold, seed, "", settings), record)
    return Task(folder, arm, fold, seed, settings, record)


def score(task, data, model):
    """Predict validation and test frames, score them, and keep what was found."""
    split, settings = task.split, task.settings
    pairs = list(dict.fromkeys([*split.validation, *split.test]))
    images, _ = load_side(data, pairs, settings)
    answers = {"": inference.predict(model, images)}
    if settings.evaluation.turns:
        answers["turned_"] = inference.predict_turned(model, images)
    kept = {
        prefix + name: inference.quantise(values)
        for prefix, answer in answers.items()
        for name, values in inference.split_maps(answer, settings.training.target).items()
    }
    inference.save_predictions(task.folder / "predictions.npz", pairs, kept)
    return score_predictions(task, data)


def score_predictions(task, data):
    """Score what predictions.npz of a run holds; as `score`, without the network."""
    split, settings, folder = task.split, task.settings, task.folder
    pairs, maps = inference.read_predictions(folder / "predictions.npz")
    places = [pairs.index(pair) for pair in split.test]
    probabilities = maps["probability"][places]
    threshold = settings.evaluation.threshold
    metrics = score_frames(data, split.test, probabilities, threshold)
    files.write_table(folder / "metrics.csv", metrics)
    cells, constants = score_readings(data, split, [folder / "predictions.npz"], settings)
    files.write_table(folder / "cells.csv", cells)
    files.write_json(folder / "cells.json", constants)
    _keep_examples(task, data, maps, pairs, constants["False"])
    return metrics, cells


def _keep_examples(task, data, maps, pairs, constants):
    """Keep what was found in the frames that are shown."""
    shown = shown_frames(task.split.test, task.settings.evaluation.examples)
    step = shown_step(data.shape)
    probabilities, cells = [], []
    for pair in shown.values():
        probability = maps["probability"][pairs.index(pair)]
        inside = maps.get("inside", maps["probability"])[pairs.index(pair)]
        arguments = constants["constants"][constants["chosen"]]
        found = segment(probability, data.shape, inside=inside, **arguments)
        probabilities.append(inference.quantise(probability))
        cells.append(np.uint16(found[::step, ::step]))
    np.savez_compressed(
        task.folder / "examples.npz",
        role=list(shown),
        video=[video for video, _ in shown.values()],
        frame=[frame for _, frame in shown.values()],
        probability=probabilities,
        cells=cells,
    )


def record_run(task, history, model):
    """Keep the network, and the record of where all this came from.

    Returns
    -------
    dict
        As in provenance.json: status is completed or diverged.
    """
    training.save_model(model, task.folder / "model.keras")
    pairs, maps = inference.read_predictions(task.folder / "predictions.npz")
    tested = maps["probability"][[pairs.index(pair) for pair in task.split.test]]
    threshold = task.settings.evaluation.threshold
    record = provenance.collect(task.record) | training.device()
    record |= {
        "status": "diverged" if training.diverged(history) else "completed",
        "best_epoch": training.best_epoch(history),
        "parameters": model.count_params(),
        "one_answer": one_answer(tested, threshold),
        "marked": float(np.mean(tested >= threshold)),
        "wall_seconds": float(history.seconds.sum()),
    }
    files.write_json(task.folder / "provenance.json", record)
    return record


def read_examples(folder):
    """Read the frames that a run kept, by role: video, frame, probability and cells."""
    names = ("role", "video", "frame", "probability", "cells")
    kept = files.read_arrays(folder / "examples.npz", "frames of a run", names)
    rows = zip(*(kept[name] for name in names), strict=True)
    return {str(row[0]): dict(zip(names, row, strict=True)) for row in rows}
