"""Count what the scores of cells are made of, in every test frame of a prediction.

The constants that turn probabilities into cells are chosen on validation frames, by the silver
truth; the test frames are counted once with each.
"""

import numpy as np

from lib import baselines, cell_frames, constants, evaluation, instances, metrics, study
from lib.arrays import mark_unknown, to_gap_mask
from lib.augmentation import REFERENCE_SIZE

# How far from the marker of a cell that the silver truth misses a pixel may belong to that cell, px
# at 512 px; no cell of the data is wider than twice this.
UNKNOWN_RADIUS = 80


def count_cells(opened, split, maps):
    """Choose the constants of a prediction, and count in each test frame with them.

    Parameters
    ----------
    opened : study.Study
    split : splits.Split
    maps : dict of tuple to tuple of ndarray
        From `mean_maps`, of the validation and the test frames.

    Returns
    -------
    rows : list of dict
        A row a frame and method: method, chosen and the counts of `Truth.count`. Methods that were
        not chosen are compared by gold truth alone, which few frames have.
    shown : dict of tuple to ndarray of int, shape (M, N)
        The cells that were found in the frames that are shown, by video and frame.
    record : dict
        The constants of each method, their SEG on the validation frames, and the margin.
    """
    # Neighbouring frames are near copies; every second one tells as much in half the time.
    validation = split.validation[::2]
    table = constants.score_constants(
        [maps[pair][0] for pair in validation],
        study.full_labels(opened, validation),
        insides=[maps[pair][1] for pair in validation],
    )
    chosen, scores = choose(table)
    truth, best = Truth(opened, split), constants.best_method(scores)
    kept = set().union(*cell_frames.shown_pairs(split.test, opened.labels))
    rows, shown = [], {}
    for method, arguments in chosen.items():
        for video, frame in split.test:
            if method == best or frame in truth.gold[video]:
                found, counts = _count_frame(opened, truth, (video, frame), maps, arguments)
                rows.append({"method": method, "chosen": method == best} | counts)
                if method == best and (video, frame) in kept:
                    shown[video, frame] = instances.in_field(found, truth.margin)
    record = {"constants": chosen, "validation_seg": scores, "margin": truth.margin}
    return rows, shown, record


def _count_frame(opened, truth, pair, maps, arguments):
    """Find the cells of a frame, and count."""
    shape, (probability, inside) = tuple(opened.record["shape"]), maps[pair]
    threshold = opened.profile.settings["evaluation.threshold"]
    found = instances.segment(probability, shape, inside=inside, **arguments)
    foreground = instances.enlarge(probability, shape) >= threshold
    return found, truth.count(*pair, found, foreground)


def count_references(opened, split, sizes):
    """Count for what is no network: the floor, and the ceiling of what the labels can teach.

    ``silver_truth`` is the truth that networks learn from, ``perfect_mask`` its foreground cut
    into components, ``perfect_gap_128`` its cells with a gap between them at 128 px, grown back.
    The others are those of `baselines.predictions`.

    Parameters
    ----------
    opened : study.Study
    split : splits.Split
    sizes : list of int
        Sizes of the images that networks see, px.

    Returns
    -------
    list of dict
        A row a reference and test frame: arm and the counts of `Truth.count`.
    """
    truth = Truth(opened, split)
    return [
        {"arm": arm} | truth.count(video, frame, cells, cells > 0)
        for arm, predictions in _references(opened, split, sizes).items()
        for (video, frame), cells in zip(split.test, predictions, strict=True)
        if cells is not None
    ]


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
