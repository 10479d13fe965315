"""What notebook 04 trains: a run of the grid, or a short one for whoever opens it by hand."""

import tempfile
from collections import namedtuple
from pathlib import Path

import keras
import numpy as np
import yaml

from lib.data import files, source
from lib.data.arrays import load_side
from lib.data.dataset import data_record, shown_frames, shown_step
from lib.network import inference, training
from lib.scoring.pixels import one_answer
from lib.scoring.segment import segment
from lib.scoring.truth import score_frames, score_readings
from lib.study import params, provenance, runs, schema

# One training: the folder for what it leaves, its settings, the record of its data, its frames.
Task = namedtuple("Task", ["folder", "arm", "fold", "seed", "settings", "record", "split"])


def open_task(folder="", *, params_file, arm, fold, seed, updates):
    """Open the run in a folder, or a short one of an arm in a folder of its own, as a `Task`."""
    if not folder:
        profile, folder = params.load(params_file), tempfile.mkdtemp()
        if arm not in profile.arms:
            raise params.ParamsError(f"arm: {arm!r} is no arm of {profile.name}")
        record = data_record(source.find_source(profile.settings.data))
        short = {"training.updates": updates, "training.epoch_updates": max(1, updates // 5)}
        settings = schema.changed(schema.arm_on(profile.arms[arm], fold), short)
        runs.write_run(Path(folder), runs.Run(arm, fold, seed, "", settings), record)
    path = Path(folder) / "params.yaml"
    with files.named(path, "not the settings of a run"):
        run = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings = schema.Settings.model_validate(run["settings"])
        arm, fold, seed, record = (run[name] for name in ("arm", "fold", "seed", "data"))
    split = runs.split_of(settings, fold, record)
    if settings.evaluation.side == "validation":  # a trial never meets the test frames
        split = split._replace(test=split.validation[1::2])
    return Task(Path(folder), arm, fold, seed, settings, record, split)


def finish(task, data, model, history):
    """Predict validation and test frames, score and keep them; return scores and the record."""
    folder, split, settings = task.folder, task.split, task.settings
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
    path, threshold = folder / "predictions.npz", settings.evaluation.threshold
    inference.save_predictions(path, pairs, kept)
    maps = inference.mean_predictions([path], turned=False)
    tested = np.stack([maps[pair][0] for pair in split.test])
    metrics = score_frames(data, split.test, tested, threshold)
    files.write_table(folder / "metrics.csv", metrics)
    cells, constants = score_readings(data, split, [path], settings)
    files.write_table(folder / "cells.csv", cells)
    files.write_json(folder / "cells.json", constants)
    _keep_examples(task, data, maps, constants["False"])
    with files.whole(folder / "model.keras") as beside:  # without what only training needs
        keras.Model(model.input, model.output, name=model.name).save(beside)
    record = provenance.collect(task.record) | training.device()
    record |= {
        "status": "diverged" if training.diverged(history) else "completed",
        "best_epoch": training.best_epoch(history),
        "parameters": model.count_params(),
        "one_answer": one_answer(tested, threshold),
        "marked": float(np.mean(tested >= threshold)),
        "wall_seconds": float(history.seconds.sum()),
    }
    files.write_json(folder / "provenance.json", record)
    return metrics, record


def _keep_examples(task, data, maps, constants):
    """Keep what was found in the frames that are shown."""
    step, count = shown_step(data.shape), task.settings.evaluation.examples
    roles, pairs = zip(*shown_frames(task.split.test, count).items(), strict=True)
    arguments = constants["constants"][constants["chosen"]]
    found = [segment(maps[at][0], data.shape, inside=maps[at][1], **arguments) for at in pairs]
    videos, frames = zip(*pairs, strict=True)
    kept = {"role": roles, "video": videos, "frame": frames}
    kept["probability"] = [inference.quantise(maps[pair][0]) for pair in pairs]
    kept["cells"] = np.uint16(found)[:, ::step, ::step]
    np.savez_compressed(task.folder / "examples.npz", **kept)
