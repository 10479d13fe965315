"""Results by name, and sentences that stand on them."""

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from lib.data.files import read_json, read_table, relative


class MissingValue(LookupError):
    """A value that the results do not have."""


class UntrueSentence(ValueError):
    """A sentence of the page that its own results do not bear out."""


def number(value, spec=".3f"):
    """Write a number as this study does: no zero before the point, a real minus sign."""
    text = format(value, spec)
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    sign = "" if sign == "-" and not digits.strip("0.%") else sign.replace("-", "\N{MINUS SIGN}")
    return sign + (digits[1:] if digits[:2] == "0." else digits)


@dataclass(frozen=True)
class Measured:
    """A mean and its 95 % interval, which ``f"{x}"`` shows; `signed` marks a difference."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    signed: bool = False
    single: bool = False

    @classmethod
    def of(cls, row):
        """Take a row of a result table; what has an arm ``against`` is a difference."""
        return cls(row.mean, row.ci_low, row.ci_high, hasattr(row, "against"), row.n_seeds == 1)

    # Of the whole interval; undecided is also what has none, or rests on a single run.
    higher = property(lambda self: self.low > 0 and not self.single)
    lower = property(lambda self: self.high < 0 and not self.single)
    undecided = property(lambda self: not (self.higher or self.lower))

    @property
    def interval(self):
        """The interval in brackets; nothing where there is none."""
        if math.isnan(self.low) or self.low == self.high:
            return ""
        return f"({number(self.low)} to {number(self.high)})"

    def __format__(self, spec):
        mean = number(self.mean, spec or ("+.3f" if self.signed else ".3f"))
        return mean if spec else f"{mean} {self.interval}".rstrip()


class Values:
    """The results in a profile's outputs, each file read when it is first asked for."""

    def __init__(self, outputs):
        self.outputs = Path(outputs)
        self.table = cache(lambda name: read_table(self.outputs / f"{name}.csv"))
        # The sentences of the page are written for one profile, with the published images.
        known = read_json(self.outputs / "data.json")["known"]
        self.as_written = self.outputs.name == "study" and known

    def has(self, *arms):
        """Whether there are scores of all of these arms."""
        return set(arms) <= {*self.table("summary").arm, *self.table("cells").arm}

    def score(self, arm, metric, fold=None):
        """Look up the `Measured` score of an arm, without a fold of ``video`` or else the first."""
        return self._measured(["summary", "cells"], arm=arm, metric=metric, fold=fold)

    def effect(self, arm, against, metric, fold=None):
        """Look up the difference `arm` minus `against`, as `score` does a score."""
        wanted = {"arm": arm, "against": against, "metric": metric, "fold": fold}
        return self._measured(["effects", "cells_effects"], **wanted)

    def summary(self, metrics, fold, file="summary"):
        """Lay a fold out for reading: a row an arm, or a difference, a `Measured` a metric."""
        rows = self.table(file)
        rows = rows[(rows.fold == fold) & rows.metric.isin(metrics)].dropna(subset="mean")
        keys = [name for name in ("what", "arm", "against") if name in rows]
        cells = pd.Series([*map(Measured.of, rows.itertuples())], dtype=object)
        cells.index = pd.MultiIndex.from_frame(rows[[*keys, "metric"]])
        return cells.unstack(sort=False).reindex(columns=metrics).reset_index()

    def runs(self, arm, fold=None):
        """Look up the runs of an arm, a row of runs.csv each; MissingValue if there are none."""
        return self._rows(["runs"], arm=arm, fold=fold)

    def claim(self, name):
        """Look up a row of claims.csv by its id: claim, published, value, verdict and the rest."""
        return next(self._rows(["claims"], id=name).itertuples(index=False))

    def verdicts(self, ids):
        """Lay some rows of claims.csv out for reading: claim, published, here, verdict."""
        rows = self.table("claims").set_index("id").reindex(ids).dropna(subset="claim")
        here = []
        for value, low, high in rows[["value", "ci_low", "ci_high"]].to_numpy():
            # Of runs without a mean; the spaces do not break.
            ends = f"from\xa0{number(low, '.2f')}\xa0to\xa0{number(high, '.2f')}"
            reach = None if math.isnan(low) else ends
            here.append(reach if math.isnan(value) else Measured(value, low, high))
        return rows.assign(here=here)[["claim", "published", "here", "verdict"]]

    def say(self, text, holds=True, otherwise=None):
        """Show a sentence in Markdown if it holds; each may be a function, called only here.

        Else, or where a value is missing, the profile that it was written for stops; any other
        shows `otherwise`, or nothing if that is None or lacks a value, too.
        """
        try:
            if _call(holds):
                return display(Markdown(_call(text)))
        except MissingValue:
            if self.as_written:
                raise
        if self.as_written:
            raise UntrueSentence(f"not so on {self.outputs.name}, write what is: {_call(text)!r}")
        with suppress(MissingValue):
            if other := _call(otherwise):
                display(Markdown(other))
        return None

    def _measured(self, files, **wanted):
        rows = self._rows(files, **wanted)
        fold = "video" if "video" in set(rows.fold) else rows.fold.iat[0]
        return Measured.of(next(rows[rows.fold == fold].itertuples()))

    def _rows(self, files, **wanted):
        """Find the rows in the first file that has any; what is None may be anything."""
        wanted = {column: value for column, value in wanted.items() if value is not None}
        for file in files:
            rows = self.table(file)
            rows = rows.dropna(subset="mean") if "mean" in rows else rows
            rows = rows[(rows[list(wanted)] == pd.Series(wanted)).all(axis=1)]
            if len(rows):
                return rows
        where = " and ".join(relative(self.outputs / f"{file}.csv") for file in files)
        what = ", ".join(f"{column} {value}" for column, value in wanted.items())
        raise MissingValue(f"{where}: no {what}")


def _call(value):
    return value() if callable(value) else value
