"""What the runs of a profile left, for tables and notebooks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from lib.data.files import StateError, read_arrays, read_table, relative
from lib.network.inference import STEPS
from lib.scoring.intervals import POOLED, is_video_fold
from lib.scoring.pixels import COUNTS, SCORES
from lib.study import params
from lib.study.runs import locate, plan, read_record

KEYS = ["arm", "fold", "seed"]
PIXELS = [*COUNTS, *SCORES, "seg_st"]
MEANS = ("splits", "merges", "count_error")
CELLS = [*dict.fromkeys(count for counts, _ in POOLED.values() for count in counts), *MEANS]


@dataclass(frozen=True)
class Results:
    """What the runs of a profile left, each read when asked for.

    `record` is that of the data. `found` pairs every planned run with its folder, None where it is
    not done; the seed ``seeds`` stands for the mean over the predictions of several runs.
    """

    profile: params.Profile
    record: dict
    found: list

    @property
    def networks(self):
        """Pairs of a run and its folder, without the means over seeds."""
        return [(run, folder) for run, folder in self.found if run.seed != "seeds"]

    @property
    def tested(self):
        """Pairs of what met the test frames and is done."""
        return [pair for pair in self.found if pair[1] and _meets_test(pair[0])]

    @property
    def folds(self):
        """Folds with test frames; the first is the one whose curves are drawn."""
        return list(dict.fromkeys(run.fold for run, _ in self.found if _meets_test(run)))

    @property
    def headline(self):
        """Fold on which arms are compared: ``video`` where two videos are held out in turn."""
        return "video" if sum(map(is_video_fold, self.folds)) > 1 else self.folds[0]

    @cached_property
    def metrics(self):
        """Counts and scores of every test frame, of each run and then of each baseline."""
        tables = [_read(*pair, "metrics") for pair in self.tested if pair[0].seed != "seeds"]
        tables.append(self._references[self._references.known_fp.isna()].assign(seed=0))
        return pd.concat(tables, ignore_index=True)[[*KEYS, "video", "frame", *PIXELS]]

    @cached_property
    def histories(self):
        """Training curves of each finished run: arm, fold, seed and the columns of history.csv."""
        tables = [_read(*pair, "history") for pair in self.networks if pair[1]]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def cells(self):
        """Counts of the cells in every test frame, of ceilings and baselines and then of each run.

        The seed is text: a number, or ``mean`` for the mean over the predictions of several runs.
        """
        first = self._references.dropna(subset="known_fp")
        tables = [first.assign(seed="0", turned=False, method=None, chosen=True)]
        tables += [_read(*pair, "cells").assign(seed=cell_seed(pair[0])) for pair in self.tested]
        columns = [*KEYS, "turned", "method", "chosen", "video", "frame", *CELLS]
        return pd.concat(tables, ignore_index=True).reindex(columns=columns)

    @cached_property
    def _references(self):
        return read_table(self.profile.outputs / "references.csv")

    def examples(self, arm, fold):
        """Read the frames that the first run of an arm kept, by role; none where it is not done.

        Each has video, frame, probability, shape (r, c), from 0 to 1, and cells, shape (M, N).
        """
        names = ("role", "video", "frame", "probability", "cells")
        for run, folder in self.networks:
            if folder and (run.arm, run.fold, run.seed) == (arm, fold, 0):
                kept = read_arrays(folder / "examples.npz", "frames of a run", names)
                kept["probability"] = kept["probability"] / STEPS
                rows = zip(*(kept[name] for name in names), strict=True)
                return {str(row[0]): dict(zip(names[1:], row[1:], strict=True)) for row in rows}
        return {}

    @cached_property
    def _frames(self):
        names = ("video", "frame", "image", "labels")
        return read_arrays(self.profile.outputs / "frames.npz", "shared frames", names)

    def frame(self, video, number):
        """Read a shared frame: image and labels, shape (M, N); StateError where it is not kept."""
        kept = self._frames
        places = np.flatnonzero((kept["video"] == video) & (kept["frame"] == number))
        if not places.size:
            where = relative(self.profile.outputs / "frames.npz")
            raise StateError(f"{where}: frame {number} of video {video} is not kept")
        return kept["image"][places[0]], kept["labels"][places[0]]


def open_results(profile):
    """Open what the runs of a profile, or of what `params.load` takes, left; without any image."""
    if not isinstance(profile, params.Profile):
        profile = params.load(profile)
    record = read_record(profile.outputs)
    return Results(profile, record, [(run, locate(run, profile)) for run in plan(profile, record)])


def cell_seed(run):
    """Name the seed of a run as tables of cells do."""
    return "mean" if run.seed == "seeds" else str(run.seed)


def _meets_test(run):
    return run.settings.evaluation.side == "test"


def _read(run, folder, name):
    table = read_table(folder / f"{name}.csv")
    return table.assign(arm=run.arm, fold=run.fold, seed=run.seed)
