"""Judge claims by the rules in params/claims.yaml, and measure differences between arms."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from scipy.stats import fisher_exact

from lib.data.files import PARAMS, StateError, named, read_table, relative
from lib.scoring.intervals import METRICS, POOLED, arm_differences, of_fold, summarise

# What several differences that are judged apart come to: by the first of these that is there.
TOGETHER = {name: name for name in ("cannot be tested", "single run", "contradicted")}
TOGETHER |= {"reproduced": "partly", "partly": "partly", "undecided": "undecided"}
NUMBERS = ["ci_low", "ci_high", "n_seeds"]
COLUMNS = ["id", "claim", "seen", "source", "published", "value", *NUMBERS, "p", "rule", "verdict"]
EFFECT = ["id", "what", "arm", "against"]
RULES = {"within": "tolerance", "above": "margin", "exact": "level"}
# What an entry of claims.yaml has to have, by its section; a claim has the bound of its rule, too.
ENTRY = ["id", "claim", "source", "published", "measure"]
SECTIONS = {"claims": [*ENTRY, "rule", "fold"], "facts": [*ENTRY, "fact"], "effects": EFFECT}


class Found(NamedTuple):
    """What was measured for a claim, and the verdict where that leaves nothing to judge."""

    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    n_seeds: int = 0
    p: float = math.nan
    verdict: str = ""
    runs: tuple = ()  # the scores of runs of both kinds, which have no mean


def read_claims():
    """Read params/claims.yaml: claims, facts, effects and their metrics, and rules."""
    path, faults = PARAMS / "claims.yaml", []
    known = {"rule": RULES, "fact": FACTS, "history": HISTORY, "metric": {*METRICS, *POOLED}}
    with named(path):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for section, entry in [(name, entry) for name in SECTIONS for entry in content[name]]:
            given, name = entry | entry.get("measure", {}), entry.get("id", section)
            keys = [*SECTIONS[section], RULES.get(given.get("rule"), "id")]
            faults += [f"{name} has no {key}" for key in keys if key not in given]
            wrong = [key for key in known if given.get(key) not in (None, *known[key])]
            faults += [f"{name} has an unknown {key}: {given[key]}" for key in wrong]
        _ = content["metrics"], content["rules"]["sees_cells"]["one_answer_below"]
    if faults:
        raise StateError(f"{relative(path)}: {'; '.join(faults)}")
    return content


def judge(stated, tables, *, original, **bootstrap):
    """Give each claim or fact its row of `COLUMNS`; no verdict unless the images are `original`.

    Of `tables`, pixels and cells are as for `summarise`, the summary is of pixels, histories have
    every run's curves, and runs say which sees cells.
    """
    rows = []
    for claim in stated:
        measure = dict(claim["measure"])
        if fact := measure.pop("fact", None):
            found, rule, verdict = [Found(FACTS[fact](**measure))], "", ""
        else:
            pairs = [measure | pair for pair in measure.get("differences", [{}])]
            found = [_measured(tables, pair, bootstrap) for pair in pairs]
            rule = f"{claim['rule']} {claim[RULES[claim['rule']]]:g}"
            verdict, *others = verdicts = {_verdict(claim, one) for one in found}
            if others:
                ranked = (TOGETHER[one] for one in TOGETHER if one in verdicts)
                verdict = next(ranked, "not reproduced")
        # Of several differences the smallest is shown, or none where one could not be measured.
        shown = found[np.nan_to_num([one.value for one in found], nan=-np.inf).argmin()]
        if rule and not original:
            verdict = "not tested on the original data"
        rows.append(claim | shown._asdict() | {"rule": rule, "verdict": verdict})
    return pd.DataFrame(rows, columns=COLUMNS)


def effects(table, stated, names, **bootstrap):
    """Measure differences between arms, on each fold that has both and on both held-out videos."""
    rows = []
    for effect in stated:
        arms = [effect["arm"], effect["against"]]
        pair = table[table.arm.isin(arms)]
        for fold in [*pair.fold.unique(), "video"]:
            part = of_fold(pair, fold)
            if seeds := _shared_seeds(part):
                found = arm_differences(part, *arms, names, **bootstrap)
                about = [*map(effect.get, EFFECT), fold]
                rows += [[*about, name, *numbers, seeds] for name, numbers in found.items()]
    return pd.DataFrame(rows, columns=[*EFFECT, "fold", "metric", "mean", *NUMBERS])


def _measured(tables, measure, bootstrap):
    arm, fold = measure["arm"], measure["fold"]
    if "history" in measure:
        runs = tables["histories"].query("arm == @arm and fold == @fold").groupby("seed")
        values = [HISTORY[measure["history"]](run) for _, run in runs]
        return Found(np.mean(values), min(values), max(values), len(values)) if values else Found()
    # Whether each run, also of what is against it, sees cells, by fold and seed, where it is known.
    runs = of_fold(tables["runs"], fold).dropna(subset="sees_cells")
    runs = runs.astype({"seed": str, "sees_cells": bool}).set_index(["fold", "seed"])
    kinds = [runs[runs.arm == name].sees_cells for name in (arm, measure.get("against"))]
    if "share" in measure:
        if not all(map(len, kinds)):
            return Found()
        p = float(fisher_exact([[side.sum(), (~side).sum()] for side in kinds]).pvalue)
        return Found(kinds[0].mean() - kinds[1].mean(), n_seeds=min(map(len, kinds)), p=p)
    if "against" in measure:
        return _difference(kinds, tables, measure, bootstrap)
    metric, pixels, table = measure["metric"], tables["pixels"], tables["summary"]
    if kinds[0].nunique() > 1:
        runs = of_fold(pixels[pixels.arm == arm], fold)
        table = summarise(runs.assign(arm=runs.seed), block=1, resamples=1, names=[metric])
        each = table["mean"][table.fold == fold]
        return Found(math.nan, each.min(), each.max(), len(each), runs=tuple(each))
    rows = table[(table.arm == arm) & (table.fold == fold) & (table.metric == metric)]
    return Found(*next(rows[["mean", *NUMBERS]].itertuples(index=False, name=None), ()))


def _difference(kinds, tables, measure, bootstrap):
    arms, metric = [measure["arm"], measure["against"]], measure["metric"]
    table, among = tables["pixels" if metric in METRICS else "cells"], "among" in measure
    table = of_fold(table[table.arm.isin(arms)], measure["fold"])
    if not set(arms) <= set(table.arm):
        return Found()
    if among:
        seeing = [side[side] for side in kinds]
        seeds = min(map(len, seeing))
        undecided = seeds < 2 or any(set(table.fold) - {*side.index.unique(0)} for side in seeing)
        rows = pd.MultiIndex.from_frame(table[["arm", "fold", "seed"]].astype(str))
        table = table[rows.isin(pd.concat(seeing, keys=arms).index)]
    else:
        seeds = _shared_seeds(table)
        shared = kinds[0].index.intersection(kinds[1].index)
        kinds = [side.loc[shared] for side in kinds]
        undecided = any(side.nunique() > 1 for side in kinds)
    void = all(side.size and not side.any() for side in kinds)
    if void or undecided:
        return Found(n_seeds=seeds, verdict="void" if void else "undecided")
    (found,) = arm_differences(table, *arms, [metric], paired=not among, **bootstrap).values()
    return Found(*found, seeds)


def _shared_seeds(table):
    """Count the seeds that both arms of a table have in each of its folds."""
    runs = table.drop_duplicates(["fold", "arm", "seed"])
    return int((runs.groupby("seed").size() == 2 * runs.fold.nunique()).sum())


def _verdict(claim, found):
    value, low, high, bound = *found[:3], claim[RULES[claim["rule"]]]
    if found.verdict or (np.isnan(value) and not found.runs):
        return found.verdict or "cannot be tested"
    if found.n_seeds == 1:
        return "single run"
    if claim["rule"] == "within":
        lowest, highest = claim["published"] - bound, claim["published"] + bound
        if lowest <= value <= highest:
            return "reproduced"
        reached = low <= highest and high >= lowest
        if found.runs:
            reached = any(lowest <= run <= highest for run in found.runs)
        return "partly" if reached else "not reproduced"
    if claim["rule"] == "exact":
        low, high, bound = (value, value, 0) if found.p < bound else (-1, 1, 0)
    if high < bound:
        return "contradicted"
    if claim["published"] is None:
        return "supported" if low > bound else "undecided"
    if low > bound:
        return "reproduced"
    return "partly" if value > bound else "not reproduced"


def _overfitting(run):
    """Measure how far the validation loss ends above its lowest; 0 where it never left ln 2."""
    rise = float(run.val_loss.iloc[-1] - run.val_loss.min())
    return rise if run.loss.min() < math.log(2) - 0.05 else 0.0


def _iou_from_f1(score):
    f1 = read_table(PARAMS / "published.csv").set_index("id").value[score]
    return f1 / (2 - f1)


def _last_epoch(arm, patience):
    """Last epoch after the lowest validation loss of Figure 5, which is read off to 0.02."""
    curves = read_table(PARAMS / "published_curves.csv").set_index(["metric", "arm", "split"])
    curve = curves.sort_index().loc[("loss", arm, "validation")]
    return int(curve.epoch[curve.value <= curve.value.min() + 0.02].max()) + patience


# What is read from the training curves of a run. The F1 is that of the original.
HISTORY = {
    "overfitting": _overfitting,
    "validation_f1": lambda run: float(run.val_batch_f1.median()),
}
# Numbers of the report that follow from its network, its code or its curves.
FACTS = {
    "convolutions": lambda depth: 2 * (2 * depth + 1) + depth + 1,
    # Keras' validation_split=0.1 keeps the last tenth of the copies of 134 images.
    "training_images": lambda copies: int(copies * 134 * (1 - 0.1)),
    "growth": lambda copies, kept: copies + kept,
    "iou_from_f1": _iou_from_f1,
    "last_epoch": _last_epoch,
}
