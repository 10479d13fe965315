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
    """What the runs of a profile left, each read when asked for."""

    profile: params.Profile
    record: dict  # of the data
    found: list  # every planned run and its folder, None where it is not done
    networks: list  # those without the means over the predictions of several seeds
    tested: list  # those done that met the test frames
    folds: list  # with test frames; curves of the first are drawn
    headline: str  # on which arms are compared: ``video`` where two videos are held out in turn

    @cached_property
    def metrics(self):
        """Counts and scores of every test frame, of each run and then of each baseline."""
        tables = [_read(*pair, "metrics") for pair in self.tested if pair[0].seed != "seeds"]
        tables.append(self._references[self._references.known_fp.isna()])
        table = pd.concat(tables, ignore_index=True)
        # From the counts, so that a new score needs no run anew.
        scores = {name: score(*map(table.get, COUNTS)) for name, score in SCORES.items()}
        return table.assign(**scores)[[*KEYS, "video", "frame", *PIXELS]]

    @cached_property
    def histories(self):
        """Training curves of each finished run: arm, fold, seed and the columns of history.csv."""
        tables = [_read(*pair, "history") for pair in self.networks if pair[1]]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def cells(self):
        """Counts of cells in every test frame; the seed is text, ``mean`` of several runs' mean."""
        first = self._references.dropna(subset="known_fp")
        tables = [first.assign(turned=False, method=None, chosen=True)]
        tables += [_read(*pair, "cells") for pair in self.tested]
        columns = [*KEYS, "turned", "method", "chosen", "video", "frame", *CELLS]
        table = pd.concat(tables, ignore_index=True).reindex(columns=columns)
        return table.assign(seed=table.seed.astype(str).replace("seeds", "mean"))

    @cached_property
    def _references(self):
        return read_table(self.profile.outputs / "references.csv").assign(seed=0)

    def examples(self, arm, fold):
        """Read the frames that the first run of an arm kept, by role; none where it is not done.

        Each has video, frame, probability, shape (r, c), from 0 to 1, and cells, shape (M, N).
        """
        names = ("role", "video", "frame", "probability", "cells")
        for run, folder in self.networks:
            if folder and (run.arm, run.fold, run.seed) == (arm, fold, 0):
                kept = read_arrays(folder / "examples.npz", "frames of a run", names)
                kept["probability"] = kept["probability"] / STEPS
                roles = enumerate(kept.pop("role"))
                return {str(role): {name: kept[name][n] for name in kept} for n, role in roles}
        return {}

    def frame(self, video, number):
        """Read a shared frame: image and labels, shape (M, N); StateError where it is not kept."""
        path = self.profile.outputs / "frames.npz"
        kept = read_arrays(path, "shared frames", ("video", "frame", "image", "labels"))
        for place in np.flatnonzero((kept["video"] == video) & (kept["frame"] == number)):
            return kept["image"][place], kept["labels"][place]
        raise StateError(f"{relative(path)}: frame {number} of video {video} is not kept")


def open_results(profile):
    """Open what the runs of a profile, or of what `params.load` takes, left; without any image."""
    if not isinstance(profile, params.Profile):
        profile = params.load(profile)
    record = read_record(profile.outputs)
    found = [(run, locate(run, profile)) for run in plan(profile, record)]
    networks = [pair for pair in found if pair[0].seed != "seeds"]
    met = [pair for pair in found if pair[0].settings.evaluation.side == "test"]
    tested = [pair for pair in met if pair[1]]
    folds = list(dict.fromkeys(run.fold for run, _ in met))
    headline = "video" if sum(map(is_video_fold, folds)) > 1 else next(iter(folds), "")
    return Results(profile, record, found, networks, tested, folds, headline)


def _read(run, folder, name):
    table = read_table(folder / f"{name}.csv")
    return table.assign(arm=run.arm, fold=run.fold, seed=run.seed)
