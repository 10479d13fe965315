"""Judge each claim of the original report by the rule that params/claims.yaml states for it."""

import numpy as np
import pandas as pd
import yaml

from lib.model import count_convolutions, unet
from lib.paths import PARAMS
from lib.statistics import paired_difference

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly", "not reproduced"
CONTRADICTED, CANNOT_BE_TESTED = "contradicted", "cannot be tested"
NOT_ORIGINAL_DATA = "not tested on the original data"


def read_claims():
    """Read the claims and their rules.

    Returns
    -------
    list of dict
    """
    text = (PARAMS / "claims.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["claims"]


def judge(claims, metrics, summary, *, is_phantom, block, resamples):
    """Give each claim its verdict.

    Parameters
    ----------
    claims : list of dict
        From `read_claims`.
    metrics : pandas.DataFrame
        Tidy metrics of every run.
    summary : pandas.DataFrame
        Means and intervals, from `statistics.summarise`.
    is_phantom : bool
        On procedural images no claim about scores is tested.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        id, published, reproduced, ci_low, ci_high, rule, verdict.
    """
    known_facts = facts()
    rows = []
    for claim in claims:
        measure = claim["measure"]
        if "fact" in measure:
            value = known_facts[measure["fact"]]
            found = {"reproduced": value, "ci_low": np.nan, "ci_high": np.nan}
        elif "against" in measure:
            found = _difference(metrics, measure, block, resamples)
        else:
            found = _score(summary, measure)
        verdict = _verdict(claim, found)
        if is_phantom and "fact" not in measure:
            verdict = NOT_ORIGINAL_DATA
        rows.append(
            {"id": claim["id"], "published": claim["published"]}
            | found
            | {"rule": _rule(claim), "verdict": verdict}
        )
    return pd.DataFrame(rows)


def with_words(verdicts):
    """Put the words of each claim and its place in the report before its verdict.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        claims.csv.

    Returns
    -------
    pandas.DataFrame
        claim, source, then the columns of claims.csv without the id.
    """
    words = pd.DataFrame(read_claims())[["id", "claim", "source"]]
    return words.merge(verdicts, on="id").drop(columns="id")


def facts():
    """Numbers of the report that follow from the network and from arithmetic.

    Returns
    -------
    dict
        convolutions: of the network at its published size. augmented_images: what is left of
        twelve copies of 134 images when Keras takes the last tenth of them for validation.
    """
    return {
        "convolutions": count_convolutions(unet(512)),
        "augmented_images": published_epoch_updates()["augmented"],
    }


def published_epoch_updates():
    """Count the updates in an epoch of the report's arms: images left for training, one a batch.

    Of 134 images, and of 12 copies of each, Keras' ``validation_split=0.1`` keeps the last tenth
    for validation.

    Returns
    -------
    dict of str to int
    """
    return {"none": int(134 * (1 - 0.1)), "augmented": int(12 * 134 * (1 - 0.1))}


def _score(summary, measure):
    chosen = summary[
        (summary.arm == measure["arm"])
        & (summary.fold == measure["fold"])
        & (summary.metric == measure["metric"])
    ]
    if chosen.empty:
        return {"reproduced": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    row = chosen.iloc[0]
    return {"reproduced": row["mean"], "ci_low": row.ci_low, "ci_high": row.ci_high}


def _difference(metrics, measure, block, resamples):
    mean, low, high = paired_difference(
        metrics[metrics.fold == measure["fold"]],
        measure["arm"],
        measure["against"],
        measure["metric"],
        block=block,
        resamples=resamples,
    )
    return {"reproduced": mean, "ci_low": low, "ci_high": high}


def _verdict(claim, found):
    value, low, high = found["reproduced"], found["ci_low"], found["ci_high"]
    if np.isnan(value):
        return CANNOT_BE_TESTED
    if claim["rule"] == "equals":
        return REPRODUCED if value == claim["published"] else CONTRADICTED
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
    if claim["rule"] == "within":
        return f"within {claim['tolerance']:g}"
    if claim["rule"] == "difference":
        return f"difference above {claim['margin']:g}"
    return claim["rule"]
