"""What the runs of a profile left, and the tables made from it, for notebooks to read by name."""

from dataclasses import dataclass
from functools import cached_property

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


def _kept(name):
    """Read a table of the outputs folder when it is first asked for."""
    return cached_property(lambda self: read_table(self.profile.outputs / f"{name}.csv"))


@dataclass(frozen=True)
class Results:
    """What the runs of a profile left, and the tables made from it, each read when asked for.

    `record` is that of the data. `found` pairs every planned run with its folder, None where it is
    not done; the seed ``seeds`` stands for the mean over the predictions of several runs. Tables of
    the outputs folder have the name of their file; those of cells.csv and cells_*.csv are
    `cell_summary`, `cell_effects`, `cell_methods` and `cell_constants`.
    """

    profile: params.Profile
    record: dict
    found: list

    runs, summary, effects, claims = map(_kept, ("runs", "summary", "effects", "claims"))
    scan, leakage, references = map(_kept, ("scan", "leakage", "references"))
    cell_summary, cell_effects = _kept("cells"), _kept("cells_effects")
    cell_methods, cell_constants = _kept("cells_methods"), _kept("cells_constants")

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
        tables.append(self.references[self.references.known_fp.isna()].assign(seed=0))
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
        first = self.references.dropna(subset="known_fp")
        tables = [first.assign(seed="0", turned=False, method=None, chosen=True)]
        tables += [_read(*pair, "cells").assign(seed=cell_seed(pair[0])) for pair in self.tested]
        columns = [*KEYS, "turned", "method", "chosen", "video", "frame", *CELLS]
        return pd.concat(tables, ignore_index=True).reindex(columns=columns)

    def examples(self, arm, fold, seed=0):
        """Read the frames that a run kept, none where it is not done.

        Returns
        -------
        dict of str to dict
            By role: video, frame, probability, shape (r, c), from 0 to 1, and cells, shape (M, N).
        """
        names, found = ("role", "video", "frame", "probability", "cells"), {}
        for run, folder in self.networks:
            if folder and (run.arm, run.fold, run.seed) == (arm, fold, seed):
                kept = read_arrays(folder / "examples.npz", "frames of a run", names)
                for values in zip(*(kept[name] for name in names), strict=True):
                    frame = dict(zip(names, values, strict=True))
                    probability = frame["probability"] / STEPS
                    found[str(frame.pop("role"))] = frame | {"probability": probability}
        return found

    def frame(self, video, number):
        """Read a shared frame: image and labels, shape (M, N); StateError where it is not kept."""
        if (video, number) not in self._frames:
            where = relative(self.profile.outputs / "frames.npz")
            raise StateError(f"{where}: frame {number} of video {video} is not kept")
        return self._frames[video, number]

    @cached_property
    def _frames(self):
        names = ("video", "frame", "image", "labels")
        kept = read_arrays(self.profile.outputs / "frames.npz", "shared frames", names)
        rows = zip(*(kept[name] for name in names), strict=True)
        return {(str(video), int(number)): pictures for video, number, *pictures in rows}


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
