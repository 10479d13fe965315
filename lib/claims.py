"""Judge each claim of the original report by the rule that params/claims.yaml states for it."""

import numpy as np
import pandas as pd
import yaml

from lib.files import StateError
from lib.model import count_convolutions, unet
from lib.params import is_reference
from lib.paths import PARAMS, relative
from lib.scan import LEFT_PLATEAU
from lib.statistics import UNDEFINED, arm_differences, fold_differences, of_fold

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly", "not reproduced"
CONTRADICTED, CANNOT_BE_TESTED = "contradicted", "cannot be tested"
NOT_ORIGINAL_DATA = "not tested on the original data"
# Arms of the published recipe: at the learning rate of the scan; trained for up to as many epochs
# as the published run, at three rates; and all.
AT_SCAN = ("none", "augmented", "none_matched", "repeated", "augmented_full")
LONG = ("augmented_full", "augmented_1e-3", "augmented_1e-4")
PUBLISHED_RECIPE = (*dict.fromkeys(AT_SCAN + LONG), "none_1e-3", "none_1e-3_full")
PUBLISHED_RECIPE += ("repeated_1e-3",)
# Copies of an image, by section 3 of the report, and epochs to wait, by its section 4.4.
PUBLISHED_COPIES = 12
PUBLISHED_PATIENCE = 5
# What an entry of params/claims.yaml has to have, and a claim by its rule besides.
CLAIM_KEYS = ("id", "claim", "source", "published", "rule", "measure")
RULE_KEYS = {"within": ("tolerance",), "above": ("margin",)}
EFFECT_KEYS = ("id", "what", "arm", "against")
# How exactly the published curves could be read off.
READING = 0.02


def read_claims():
    """Read the claims and their rules.

    Returns
    -------
    list of dict
    """
    return _read()["claims"]


def judge(claims, metrics, summary, histories, *, is_phantom, block, resamples):
    """Give each claim its verdict.

    Parameters
    ----------
    claims : list of dict
        From `read_claims`.
    metrics : pandas.DataFrame
        Tidy metrics of every run.
    summary : pandas.DataFrame
        Means and intervals, from `statistics.summarise`.
    histories : pandas.DataFrame
        From `results.read_histories`.
    is_phantom : bool
        On procedural images no claim about scores is tested.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        id, published, reproduced, ci_low, ci_high, n_seeds (0 where no run is needed or there is
        none), rule, verdict.
    """
    known_facts = facts()
    rows = []
    for claim in claims:
        measure = claim["measure"]
        if kind(measure) == "given number":
            found = [(known_facts[measure["fact"]], np.nan, np.nan, 0)]
        elif kind(measure) == "training curve":
            found = [_from_history(histories, measure)]
        elif kind(measure) == "difference":
            pairs = measure.get("differences", [measure])
            found = [_difference(metrics, measure | pair, block, resamples) for pair in pairs]
        else:
            found = [_score(summary, measure)]
        # Of several differences the smallest is shown, or none where one could not be measured.
        values = np.nan_to_num([numbers[0] for numbers in found], nan=-np.inf)
        value, low, high, seeds = found[values.argmin()]
        tested = "fact" in measure or not is_phantom
        rows.append(
            {
                "id": claim["id"],
                "published": claim["published"],
                "reproduced": value,
                "ci_low": low,
                "ci_high": high,
                "n_seeds": seeds,
                "rule": _rule(claim),
                "verdict": _verdict(claim, found) if tested else NOT_ORIGINAL_DATA,
            }
        )
    return pd.DataFrame(rows)


def read_effects():
    """Read the differences between arms that are measured, and the metrics they are measured in.

    Returns
    -------
    stated : list of dict
        id, what, arm, against.
    names : list of str
    """
    content = _read()
    return content["effects"], content["metrics"]


def effects(metrics, stated, names, *, block, resamples):
    """Measure differences between arms.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Tidy metrics of every run.
    stated : list of dict
        From `read_effects`.
    names : sequence of str
        Metrics to measure them in.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        id, what, arm, against, fold, metric, mean, ci_low, ci_high, n_seeds: on each fold that has
        both arms, and on the fold ``video`` where two videos were held out in turn.
    """
    rows = []
    for effect in stated:
        pair = metrics[metrics.arm.isin([effect["arm"], effect["against"]])]
        for fold in [*pair.fold.unique(), "video"]:
            table = of_fold(pair, fold)
            seeds = _shared_seeds(table, effect["arm"], effect["against"])
            if not seeds:
                continue
            found = arm_differences(
                table, effect["arm"], effect["against"], names, block=block, resamples=resamples
            )
            for metric, numbers in found.items():
                row = effect | {"fold": fold, "metric": metric, "n_seeds": seeds}
                rows.append(row | dict(zip(("mean", "ci_low", "ci_high"), numbers, strict=True)))
    columns = ["id", "what", "arm", "against", "fold", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_seeds"])


def leakage(metrics, names, *, block, resamples):
    """Compare test frames drawn at random with whole videos held out, arm by arm.

    Neighbours of a frame drawn at random are trained on; what a network scores on it beyond what it
    scores on a video that it has never seen is the leak, and the effect of a larger training side.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Tidy metrics of every run.
    names : sequence of str
        Metrics to compare them in.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        arm, n_seeds (on fold ``random``), metric, mean, ci_low, ci_high: fold ``random`` minus fold
        ``video``, for the arms that were run on both.
    """
    rows = []
    for arm in [arm for arm in metrics.arm.unique() if not is_reference(arm)]:
        found = fold_differences(
            metrics, arm, "random", "video", names, block=block, resamples=resamples
        )
        seeds = metrics.seed[(metrics.arm == arm) & (metrics.fold == "random")].nunique()
        rows += [[arm, seeds, metric, *numbers] for metric, numbers in found.items()]
    columns = ["arm", "n_seeds", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="mean", ignore_index=True)


def with_words(verdicts):
    """Put the words of each claim and its place in the report before its verdict.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        claims.csv.

    Returns
    -------
    pandas.DataFrame
        claim, source, kind (score, difference, training curve or given number), fold (empty for
        a given number), seen (what was known when the claim was added, or empty), then the columns
        of claims.csv without the id.
    """
    words = [
        {
            "id": claim["id"],
            "claim": claim["claim"],
            "source": claim["source"],
            "kind": kind(claim["measure"]),
            "fold": claim["measure"].get("fold", ""),
            "seen": claim.get("seen", ""),
        }
        for claim in read_claims()
    ]
    return pd.DataFrame(words).merge(verdicts, on="id").drop(columns="id")


def kind(measure):
    """Name what a claim is measured by.

    Parameters
    ----------
    measure : dict
        Of a claim.

    Returns
    -------
    {"given number", "training curve", "difference", "score"}
        A given number follows from the report itself or from its code.
    """
    if "fact" in measure:
        return "given number"
    if "history" in measure:
        return "training curve"
    return "difference" if {"against", "differences"} & measure.keys() else "score"


def facts():
    """Numbers of the report that follow from its network, from arithmetic or from its curves.

    Returns
    -------
    dict
        convolutions: of the network, at whatever size. augmented_images: what is left of
        twelve copies of 134 images when Keras takes the last tenth of them for validation.
        growth: copies in place of an image, as the code puts them, in the number that the report
        has. iou_from_f1_none and
        _augmented: the foreground's IoU that follows from the published F1. last_epoch_none: five
        epochs after the lowest validation loss of Figure 5b, the latest that may be the lowest.
    """
    scores = pd.read_csv(PARAMS / "published.csv").set_index("id").value
    curves = pd.read_csv(PARAMS / "published_curves.csv")
    chosen = (curves.metric == "loss") & (curves.arm == "none") & (curves.split == "validation")
    curve = curves[chosen]
    lowest = curve.value <= curve.value.min() + READING
    return {
        "convolutions": count_convolutions(unet(16, filters=1)),
        "augmented_images": published_epoch_updates()["augmented"],
        "growth": PUBLISHED_COPIES,
        "iou_from_f1_none": scores.f1_none / (2 - scores.f1_none),
        "iou_from_f1_augmented": scores.f1_augmented / (2 - scores.f1_augmented),
        "last_epoch_none": int(curve.epoch[lowest].max()) + PUBLISHED_PATIENCE,
    }


def published_epoch_updates():
    """Count the updates in an epoch of the report's arms: images left for training, one a batch.

    Of 134 images, and of the copies of each, Keras' ``validation_split=0.1`` keeps the last tenth
    for validation.

    Returns
    -------
    dict of str to int
    """
    return {"none": int(134 * (1 - 0.1)), "augmented": int(PUBLISHED_COPIES * 134 * (1 - 0.1))}


def _read():
    path = PARAMS / "claims.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        claims, effects = content["claims"], content["effects"]
        lacking = [
            f"{entry['id']} has no {key}"
            for entries, keys in ((claims, CLAIM_KEYS), (effects, EFFECT_KEYS))
            for entry in entries
            for key in keys + RULE_KEYS.get(entry.get("rule"), ())
            if key not in entry
        ]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise StateError(f"{relative(path)}: cannot be read: {error}") from error
    if lacking:
        raise StateError(f"{relative(path)}: {'; '.join(lacking)}")
    return content


def _score(summary, measure):
    chosen = summary[
        (summary.arm == measure["arm"])
        & (summary.fold == measure["fold"])
        & (summary.metric == measure["metric"])
    ]
    columns = ["mean", "ci_low", "ci_high", "n_seeds"]
    return next(chosen[columns].itertuples(index=False, name=None), (*UNDEFINED, 0))


def _difference(metrics, measure, block, resamples):
    table, metric = of_fold(metrics, measure["fold"]), measure["metric"]
    found = arm_differences(
        table, measure["arm"], measure["against"], [metric], block=block, resamples=resamples
    )
    return *found[metric], _shared_seeds(table, measure["arm"], measure["against"])


def _from_history(histories, measure):
    """Read a number off the training curves: mean, lowest and highest of the seeds."""
    chosen = histories[(histories.arm == measure["arm"]) & (histories.fold == measure["fold"])]
    values = [HISTORY[measure["history"]](run) for _, run in chosen.groupby("seed")]
    if not values:
        return *UNDEFINED, 0
    return float(np.mean(values)), min(values), max(values), len(values)


def left_plateau(run):
    """Whether the training loss of a history ever was clearly below ln 2.

    Parameters
    ----------
    run : pandas.DataFrame
        Columns loss and val_loss, a row an epoch.
    """
    return run.loss.min() < LEFT_PLATEAU


def overfitting(run):
    """Measure how far the validation loss ends above its lowest; 0 where training never left ln 2.

    Parameters
    ----------
    run : pandas.DataFrame
        Columns loss and val_loss, a row an epoch.
    """
    return float(run.val_loss.iloc[-1] - run.val_loss.min()) if left_plateau(run) else 0.0


def _validation_f1(run):
    return float(run.val_batch_f1.median())


HISTORY = {"overfitting": overfitting, "validation_f1": _validation_f1}


def _shared_seeds(table, arm, against):
    """Seeds that both arms have in every fold of a table."""
    seeds = [
        set(part[part.arm == arm].seed) & set(part[part.arm == against].seed)
        for _, part in table.groupby("fold")
    ]
    return len(set.intersection(*seeds)) if seeds else 0


def _verdict(claim, found):
    """Give the verdict of a claim on its numbers; with several, of all of them together."""
    verdicts = [_single_verdict(claim, *numbers[:3]) for numbers in found]
    for decisive in (CANNOT_BE_TESTED, CONTRADICTED):
        if decisive in verdicts:
            return decisive
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return PARTLY if {REPRODUCED, PARTLY} & set(verdicts) else NOT_REPRODUCED


def _single_verdict(claim, value, low, high):
    if np.isnan(value):
        return CANNOT_BE_TESTED
    if claim["rule"] == "equals":
        near = abs(value - claim["published"]) <= claim.get("tolerance", 0)
        return REPRODUCED if near else CONTRADICTED
    if claim["rule"] == "within":
        lowest = claim["published"] - claim["tolerance"]
        highest = claim["published"] + claim["tolerance"]
        if lowest <= value <= highest:
            return REPRODUCED
        return PARTLY if low <= highest and high >= lowest else NOT_REPRODUCED
    if low > claim["margin"]:
        return REPRODUCED
    if high < claim["margin"]:
        return CONTRADICTED
    return PARTLY if value > claim["margin"] else NOT_REPRODUCED


def _rule(claim):
    if claim["rule"] == "above":
        return f"above {claim['margin']:g}"
    if claim["rule"] == "within":
        return f"within {claim['tolerance']:g}"
    return f"equals, within {claim['tolerance']:g}" if "tolerance" in claim else "equals"
