"""What a trained network answers, and how its answers are kept."""

import numpy as np
from scipy.special import expit

from lib.data.files import read_arrays

# Steps of probability in a kept prediction. With 255 the file would be twice as large.
STEPS = 31


def predict(model, images):
    """Compute what a network of logits answers to images (F, M, N): (F, M, N, T), from 0 to 1."""
    return expit(np.stack([model.predict_on_batch(one[None, ..., None])[0] for one in images]))


def predict_turned(model, images):
    """Average the answers to an image's eight flips and turns, or the four that keep its shape."""
    answers, square = [], images.shape[1] == images.shape[2]
    for turns in range(0, 4, 1 if square else 2):
        turned = np.rot90(images, turns, axes=(1, 2))
        for direction in (1, -1):
            answer = predict(model, turned[..., ::direction])[:, :, ::direction]
            answers.append(np.rot90(answer, -turns, axes=(1, 2)))
    return np.mean(answers, axis=0)


def split_maps(answer, target):
    """Make maps (F, M, N) by name of an answer to a target; cells are cut out of ``inside``."""
    maps = {"probability": answer[..., 0]}
    if target == "border":
        maps["inside"] = answer[..., 0] * (1 - answer[..., 1])
    if target == "distance":
        maps["inside"] = answer[..., 1]
    return maps


def quantise(probabilities):
    """Round probabilities to uint8 from 0 to `STEPS`; NaN, of a lost network, becomes 0."""
    return np.uint8(np.round(STEPS * np.nan_to_num(probabilities)))


def save_predictions(path, pairs, maps):
    """Keep maps (F, M, N) by name, from `quantise`, of pairs of video and frame number."""
    videos, frames = (np.array(parts) for parts in zip(*pairs, strict=True))
    np.savez_compressed(path, video=videos, frame=frames, steps=STEPS, **maps)


def mean_predictions(paths, *, turned):
    """Average what runs on the same frames predicted: two maps, from 0 to 1, by pair."""
    names, prefix = ("steps", "video", "frame"), "turned_" if turned else ""
    kept = [read_arrays(path, "predictions of a run", names) for path in paths]
    foreground, inside = (
        np.mean([run.get(name, run[f"{prefix}probability"]) / run["steps"] for run in kept], axis=0)
        for name in (f"{prefix}probability", f"{prefix}inside")
    )
    pairs = zip(kept[0]["video"].tolist(), kept[0]["frame"].tolist(), strict=True)
    return dict(zip(pairs, zip(foreground, inside, strict=True), strict=True))
