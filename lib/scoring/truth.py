"""Score predictions against silver truth, gold truth and markers; what is `UNKNOWN` has no part."""

import numpy as np
import pandas as pd

from lib.data.arrays import REFERENCE_SIZE, full_labels, mark_unknown, resample
from lib.network.inference import mean_predictions
from lib.network.targets import to_gap_mask
from lib.scoring import baselines, cells, pixels, segment

# Up to here, px at 512 px, a pixel may belong to a cell that the labels miss, from its marker on.
UNKNOWN_RADIUS = 80


class Truth:
    """What is known of a data set's cells, with the margin, px, and the median cell_area, px."""

    def __init__(self, data, split):
        self.data, self.is_silver = data, data.record["truth"] == "silver"
        known = [*split.train, *split.validation]
        labels = cells.without_unknown(full_labels(data, known))
        areas = np.concatenate([np.bincount(frame.ravel())[1:] for frame in labels])
        self.cell_area = float(np.median(areas[areas > 0]))
        # Gold truth outlines a few cells, of which none may be near the edge; markers are in all.
        markers = [data.markers[video][at] for video, at in known if at in data.markers[video]]
        self.margin = cells.field_margin(labels if self.is_silver else markers)

    def count(self, video, frame, found, foreground):
        """Count what measures are made of; None for those of a truth that the frame lacks."""
        labels, markers = self.data.labels[video][frame], self.data.markers[video].get(frame)
        kept = cells.in_field(found, self.margin)
        foreground = foreground & ((kept > 0) | (found == 0))
        truths = self.data.gold[video].get(frame), labels if self.is_silver else None, markers
        gold, silver, marked = (
            {} if truth is None else cells.counts(cells.overlaps(truth, kept)) for truth in truths
        )
        row, known = {"video": video, "frame": frame}, labels
        for name, counts in (("gold", gold), ("silver", silver)):
            row |= {f"{name}_{key}": counts.get(key) for key in ("jaccard", "true_cells")}
        if marked:
            row["markers"] = marked["true_cells"]
            row |= {key: marked[key] for key in ("merged", "missed", "spurious")}
            row["count_error"] = row["spurious"] - row["missed"] - row["merged"]
            radius = UNKNOWN_RADIUS * max(labels.shape) / REFERENCE_SIZE
            known = mark_unknown(labels, markers, radius)
        row |= {"splits": silver.get("split"), "merges": silver.get("merged")}
        row |= pixels.count(labels, kept)
        whole = pixels.count(labels, foreground)
        row |= {f"foreground_{name}": whole[name] for name in ("tp", "fp", "fn")}
        # False pixels that cannot be of a cell that the labels miss.
        return row | {"known_fp": int(np.sum(foreground & (known == 0)))}


def score_frames(data, pairs, probabilities, threshold):
    """Score predictions (F, K, L), from 0 to 1, at the size of the labels, a row a frame."""
    masks = (segment.enlarge(one, data.shape) >= threshold for one in probabilities)
    found = zip(pairs, map(segment.to_cells, masks), strict=True)
    return pd.DataFrame([_frame_row(data, *pair, cells) for pair, cells in found])


def _frame_row(data, video, frame, found):
    labels = data.labels[video][frame]
    counts, seg = pixels.count(labels, found), cells.seg_scores(cells.overlaps(labels, found))
    row = {"video": video, "frame": frame} | counts | pixels.scores(counts)
    return row | {"seg_st": float(seg.mean()) if len(seg) else np.nan}


def score_cells(data, split, maps, settings, *, turned):
    """Choose how probabilities become cells on validation frames, and count in each test frame.

    `maps` are from `inference.mean_predictions`. Rows are of a method and a frame; methods that
    were not chosen are compared by gold truth alone, which few frames have. The record has the
    arguments of `segment` by method, the method with the best SEG, and what `Truth` measured.
    """
    # Neighbouring frames are near copies; every second one tells as much in half the time.
    validation = split.validation[::2]
    foregrounds, insides = zip(*(maps[pair] for pair in validation), strict=True)
    # Scored faster where the two are the same.
    insides = None if all(map(np.array_equal, foregrounds, insides)) else insides
    table = segment.score_constants(foregrounds, full_labels(data, validation), insides=insides)
    tried = {method: table.query(part) for method, part in segment.METHODS.items()}
    scores = {method: round(float(part.seg.max()), 3) for method, part in tried.items()}
    constants = {method: segment.choose_constants(part) for method, part in tried.items()}
    truth, best, rows = Truth(data, split), max(scores, key=scores.get), []
    for method, arguments in constants.items():
        for video, frame in split.test:
            if method != best and frame not in data.gold[video]:
                continue
            probability, inside = maps[video, frame]
            found = segment.segment(probability, data.shape, inside=inside, **arguments)
            # Pixels are scored before cells are cut out.
            foreground = segment.enlarge(probability, data.shape) >= settings.evaluation.threshold
            keys = {"turned": turned, "method": method, "chosen": method == best}
            rows.append(keys | truth.count(video, frame, found, foreground))
    record = {"constants": constants, "chosen": best, "validation_seg": scores}
    return rows, record | {"margin": truth.margin, "cell_area": truth.cell_area}


def score_readings(data, split, paths, settings):
    """Score cells in the mean over some predictions.npz: the rows of cells.csv, and cells.json."""
    rows, records = [], {}
    for turned in (False, True)[: 1 + settings.evaluation.turns]:
        maps = mean_predictions(paths, turned=turned)
        found, records[str(turned)] = score_cells(data, split, maps, settings, turned=turned)
        rows += found
    return pd.DataFrame(rows), records


def count_references(data, split, sizes):
    """Count for `baselines.predictions`, the floor, and the ceiling of what the labels can teach.

    ``perfect_mask`` is the truth's foreground cut into components, ``perfect_gap_128`` its cells
    with a gap between them at 128 px, grown back.
    """
    validation, test = (
        cells.without_unknown(full_labels(data, pairs)) for pairs in (split.validation, split.test)
    )
    ceiling = {"silver_truth": test, "perfect_mask": [segment.to_cells(one > 0) for one in test]}
    tried = {"thresholds": (0.5,), "split": (0,), "markers": ()}
    for size in sizes:
        shape = [round(size * side / max(data.shape)) for side in data.shape]
        small = [resample(labels, labels, shape)[1] for labels in (validation, test)]
        seen, masks = (np.float32(to_gap_mask(labels)) for labels in small)
        chosen = segment.choose_constants(segment.score_constants(seen, validation, **tried))
        ceiling[f"perfect_gap_{size}"] = [
            segment.segment(mask, data.shape, **chosen) for mask in masks
        ]
    truth, rows, floor = Truth(data, split), [], baselines.predictions(data, split)
    for arm, predictions in (ceiling | floor).items():
        for pair, found in zip(split.test, predictions, strict=True):
            if found is not None:
                rows.append({"arm": arm} | truth.count(*pair, found, found > 0))
                if arm in floor:
                    rows.append({"arm": arm} | _frame_row(data, *pair, found))
    return rows
