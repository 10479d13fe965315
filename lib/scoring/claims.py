"""Judge claims by the rules in params/claims.yaml, and measure differences between arms."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from scipy.stats import fisher_exact

from lib.data.files import PARAMS, StateError, read_table, relative
from lib.scoring.intervals import METRICS, POOLED, arm_differences, of_fold

# What several differences that are judged apart come to: by the first of these that is there.
TOGETHER = {"cannot be tested": "cannot be tested", "contradicted": "contradicted"}
TOGETHER |= {"reproduced": "partly", "partly": "partly", "undecided": "undecided"}
NUMBERS = ["ci_low", "ci_high", "n_seeds"]
COLUMNS = ["id", "claim", "seen", "source", "published", "value", *NUMBERS, "p", "rule", "verdict"]
EFFECT = ["id", "what", "arm", "against"]
# What an entry of claims.yaml has to have, by its section and by its rule.
ENTRY = ["id", "claim", "source", "published", "measure"]
SECTIONS = {"claims": [*ENTRY, "rule", "fold"], "facts": [*ENTRY, "fact"], "effects": EFFECT}
RULES = {"within": "tolerance", "above": "margin", "exact": "level"}


class Found(NamedTuple):
    """What was measured for a claim, and the verdict where that leaves nothing to judge."""

    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    n_seeds: int = 0
    p: float = math.nan
    verdict: str = ""


def read_claims():
    """Read params/claims.yaml: claims, facts, effects and their metrics, and rules."""
    path = PARAMS / "claims.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = [(section, entry) for section in SECTIONS for entry in content[section]]
        faults = [fault for pair in entries for fault in _faults(*pair)]
        _ = content["metrics"], content["rules"]["sees_cells"]["one_answer_below"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{relative(path)}: cannot be read: {error}") from error
    if faults:
        raise StateError(f"{relative(path)}: {'; '.join(faults)}")
    return content


def _faults(section, entry):
    given, keys = entry | entry.get("measure", {}), [*SECTIONS[section]]
    known = {"rule": RULES, "fact": FACTS, "history": HISTORY, "metric": {*METRICS, *POOLED}}
    if section == "claims":
        keys += [RULES[given["rule"]]] if given.get("rule") in RULES else []
        keys += [next((key for key in ("history", "share") if key in given), "metric")]
        keys += ["differences" if "differences" in given else "arm"]
    for key in keys:
        if key not in given:
            yield f"{entry.get('id', section)} has no {key}"
        elif key in known and given[key] not in known[key]:
            yield f"{entry['id']} has an unknown {key}: {given[key]}"


def judge(stated, tables, *, original, **bootstrap):
    """Give each claim or fact its row of `COLUMNS`; a fact has no rule and no verdict.

    Of `tables`, pixels and cells are tidy as for `summarise`, summary is of pixels, histories are
    the curves of every run, and runs say which of them sees cells. Unless these are the `original`
    images of the report, nothing is judged. `bootstrap` is as for `summarise`.
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
            verdict = _verdict([_single_verdict(claim, one) for one in found])
        # Of several differences the smallest is shown, or none where one could not be measured.
        shown = found[np.nan_to_num([one.value for one in found], nan=-np.inf).argmin()]
        if rule and not original:
            verdict = "not tested on the original data"
        rows.append(claim | shown._asdict() | {"rule": rule, "verdict": verdict})
    return pd.DataFrame(rows, columns=COLUMNS)


def effects(table, stated, names, **bootstrap):
    """Measure differences between arms, on each fold that has both and on both held-out videos.

    n_seeds is how many seeds both have; all but `stated`, of claims.yaml, is as for `summarise`.
    """
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
    if "against" in measure:
        # Whether each run of the two sees cells, by fold and seed, where that is known.
        runs = of_fold(tables["runs"], fold).dropna(subset="sees_cells")
        runs = runs.astype({"seed": str, "sees_cells": bool}).set_index(["fold", "seed"])
        kinds = [runs[runs.arm == name].sees_cells for name in (arm, measure["against"])]
        if "share" not in measure:
            return _difference(kinds, tables, measure, bootstrap)
        if not all(map(len, kinds)):
            return Found()
        p = float(fisher_exact([[side.sum(), (~side).sum()] for side in kinds]).pvalue)
        return Found(kinds[0].mean() - kinds[1].mean(), n_seeds=min(map(len, kinds)), p=p)
    rows = tables["histories" if "history" in measure else "summary"]
    rows = rows[(rows.arm == arm) & (rows.fold == fold)]
    if "history" in measure:
        values = [HISTORY[measure["history"]](run) for _, run in rows.groupby("seed")]
        return Found(np.mean(values), min(values), max(values), len(values)) if values else Found()
    rows = rows[rows.metric == measure["metric"]][["mean", *NUMBERS]]
    return Found(*next(rows.itertuples(index=False, name=None), ()))


def _difference(kinds, tables, measure, bootstrap):
    arms, metric = [measure["arm"], measure["against"]], measure["metric"]
    table, among = tables["pixels" if metric in METRICS else "cells"], "among" in measure
    table = of_fold(table[table.arm.isin(arms)], measure["fold"])
    seeds = _shared_seeds(table)
    if not set(arms) <= set(table.arm):
        return Found()
    if among:
        seeing = [side[side] for side in kinds]
        seeds = min(map(len, seeing))
        undecided = seeds < 2 or any(set(table.fold) - {*side.index.unique(0)} for side in seeing)
        rows = pd.MultiIndex.from_frame(table[["arm", "fold", "seed"]].astype(str))
        table = table[rows.isin(pd.concat(seeing, keys=arms).index)]
    else:
        shared = kinds[0].index.intersection(kinds[1].index)
        kinds = [side.loc[shared] for side in kinds]
        undecided = any(side.nunique() > 1 for side in kinds)
    if all(side.size and not side.any() for side in kinds):
        return Found(n_seeds=seeds, verdict="void")
    if undecided:
        return Found(n_seeds=seeds, verdict="undecided")
    (found,) = arm_differences(table, *arms, [metric], paired=not among, **bootstrap).values()
    return Found(*found, seeds)


def _shared_seeds(table):
    """Count the seeds that both arms of a table have in each of its folds."""
    runs = table.drop_duplicates(["fold", "arm", "seed"])
    return int((runs.groupby("seed").size() == 2 * runs.fold.nunique()).sum())


def _verdict(verdicts):
    """Give the verdict on several differences together."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return next((TOGETHER[one] for one in TOGETHER if one in verdicts), "not reproduced")


def _single_verdict(claim, found):
    value, low, high, bound = *found[:3], claim[RULES[claim["rule"]]]
    if found.verdict or np.isnan(value):
        return found.verdict or "cannot be tested"
    if claim["rule"] == "within":
        lowest, highest = claim["published"] - bound, claim["published"] + bound
        if lowest <= value <= highest:
            return "reproduced"
        return "partly" if low <= highest and high >= lowest else "not reproduced"
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
