"""The claims of the report, their rules and the verdicts."""

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import claims, metrics
from lib.paths import PARAMS

# As the report has them: abstract (scores), section 4.1 (convolutions), section 4.3 (images).
PUBLISHED = {
    "f1_augmented": 0.891,
    "f1_none": 0.605,
    "iou_augmented": 0.770,
    "iou_none": 0.332,
    "convolutions": 23,
    "augmented_images": 1447,
}
NAN = float("nan")
BOOTSTRAP = {"block": 2, "resamples": 200}


@pytest.fixture(autouse=True)
def _known_facts(request, monkeypatch):
    """Spare every test but its own the network at its published size."""
    if "facts" not in request.node.name:
        facts = {"convolutions": 23, "augmented_images": 1447}
        monkeypatch.setattr(claims, "facts", lambda: facts)


def claim(rule, published, **rest):
    measure = {"arm": "a", "fold": "last", "metric": "f1_pooled"}
    if rule == "difference":
        measure["against"] = "b"
    if rule == "equals":
        measure = {"fact": "convolutions"}
    about = {"id": "x", "claim": "It is so", "source": "report"}
    return about | {"rule": rule, "published": published, "measure": measure} | rest


def judge(stated, table=None, summary=None, is_phantom=False):
    if summary is None:
        summary = scores()
    return claims.judge([stated], table, summary, is_phantom=is_phantom, **BOOTSTRAP).iloc[0]


def scores(mean=NAN, low=NAN, high=NAN):
    """Make a summary of arm a, and of others that are not to be taken for it."""
    rows = [("a", "random", "f1_pooled", 0, 0, 0), ("b", "last", "f1_pooled", 0, 0, 0)]
    rows += [("a", "last", "f1", 0, 0, 0), ("a", "last", "f1_pooled", mean, low, high)]
    return pd.DataFrame(rows, columns=["arm", "fold", "metric", "mean", "ci_low", "ci_high"])


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (0.80, 0.70, 0.90, "reproduced"),
        (0.84, 0.10, 0.99, "reproduced"),
        (0.75, 0.10, 0.20, "reproduced"),
        (0.85, 0.90, 0.95, "reproduced"),
        (0.70, 0.65, 0.76, "partly"),
        (0.90, 0.84, 0.95, "partly"),
        (0.70, 0.65, 0.74, "not reproduced"),
        (0.90, 0.86, 0.95, "not reproduced"),
        (NAN, NAN, NAN, "cannot be tested"),
    ],
)
def test_rule_within(mean, low, high, verdict):
    found = judge(claim("within", 0.8, tolerance=0.05), summary=scores(mean, low, high))
    assert found.verdict == verdict
    assert found.rule == "within 0.05"
    np.testing.assert_equal([found.reproduced, found.ci_low, found.ci_high], [mean, low, high])


def test_score_that_was_not_measured():
    summary = scores(0.8, 0.7, 0.9).query("arm != 'a' or fold != 'last'")
    found = judge(claim("within", 0.8, tolerance=0.05), summary=summary)
    assert found.verdict == "cannot be tested"
    assert np.isnan(found.reproduced)


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (0.20, 0.11, 0.30, "reproduced"),
        (0.20, 0.05, 0.30, "partly"),
        (0.05, -0.1, 0.30, "not reproduced"),
        (0.10, 0.10, 0.10, "not reproduced"),
        (0.00, -0.1, 0.09, "contradicted"),
        (-0.2, -0.3, -0.1, "contradicted"),
        (NAN, NAN, NAN, "cannot be tested"),
    ],
)
def test_rule_difference(monkeypatch, mean, low, high, verdict):
    monkeypatch.setattr(claims, "paired_difference", lambda *_, **__: (mean, low, high))
    table = pd.DataFrame({"fold": ["last"]})
    found = judge(claim("difference", 0.3, margin=0.1), table=table)
    assert found.verdict == verdict
    assert found.rule == "difference above 0.1"


def counts(arm, fold, tp):
    """Scores of six frames with `tp` of 10 cell pixels found and no other pixel marked."""
    found = {"tp": tp, "fp": 0, "fn": 10 - tp, "tn": 10}
    return [
        {"arm": arm, "fold": fold, "seed": 0, "video": "02", "frame": n, "metric": k, "value": v}
        for n in range(6)
        for k, v in found.items()
    ]


def test_difference_is_arm_minus_the_other_on_its_fold():
    rows = counts("a", "last", 10) + counts("b", "last", 5)
    rows += counts("a", "random", 0) + counts("b", "random", 10)
    stated = claim("difference", 0.3, margin=0.0)
    found = judge(stated, table=pd.DataFrame(rows))
    # F1 of b: 2 * 5 / (2 * 5 + 5).
    assert found.reproduced == pytest.approx(1 - 2 / 3)
    assert (found.ci_low, found.ci_high) == pytest.approx((1 / 3, 1 / 3))
    assert found.verdict == "reproduced"
    swapped = stated | {"measure": stated["measure"] | {"arm": "b", "against": "a"}}
    assert judge(swapped, table=pd.DataFrame(rows)).verdict == "contradicted"
    alone = pd.DataFrame(counts("a", "last", 10))
    assert judge(stated, table=alone).verdict == "cannot be tested"


@pytest.mark.parametrize(("published", "verdict"), [(23, "reproduced"), (24, "contradicted")])
@pytest.mark.parametrize("is_phantom", [False, True])
def test_rule_equals_holds_whatever_the_images(published, verdict, is_phantom):
    found = judge(claim("equals", published), is_phantom=is_phantom)
    assert found.verdict == verdict
    assert found.reproduced == 23


@pytest.mark.parametrize("mean", [0.8, NAN])
def test_no_score_is_judged_on_the_phantom(mean):
    summary = scores(mean, mean, mean)
    found = judge(claim("within", 0.8, tolerance=0.1), summary=summary, is_phantom=True)
    assert found.verdict == "not tested on the original data"


def test_facts_of_the_report():
    assert claims.facts() == {"convolutions": 23, "augmented_images": 1447}


def test_updates_in_an_epoch_of_the_report():
    # 134 images less the last tenth, and twelve copies of them.
    assert claims.published_epoch_updates() == {"none": 120, "augmented": 1447}


# params/claims.yaml -------------------------------------------------------------------------

SHIPPED = {stated["id"]: stated for stated in claims.read_claims()}
ARMS = yaml.safe_load((PARAMS / "base.yaml").read_text(encoding="utf-8"))["arms"]


def test_claims_have_the_values_of_the_report():
    assert {name: SHIPPED[name]["published"] for name in PUBLISHED} == PUBLISHED
    effects = [stated for stated in SHIPPED.values() if stated["rule"] == "difference"]
    for stated in effects:
        assert stated["published"] == pytest.approx(0.891 - 0.605)
    assert len(SHIPPED) == len(PUBLISHED) + len(effects) == len(claims.read_claims())


def test_claims_agree_with_the_published_table():
    table = pd.read_csv(PARAMS / "published.csv", index_col="id")
    scores = {name: value for name, value in PUBLISHED.items() if value < 1}
    assert table.value.to_dict() == scores
    for name, row in table.iterrows():
        measure = SHIPPED[name]["measure"]
        assert (measure["arm"], measure["metric"]) == (row.arm, f"{row.metric}_pooled")


@pytest.mark.parametrize("name", SHIPPED)
def test_claim_is_well_formed(name):
    stated = SHIPPED[name]
    width = {"within": ["tolerance"], "difference": ["margin"], "equals": []}[stated["rule"]]
    keys = ["id", "claim", "source", "published", "rule", *width, "measure"]
    assert list(stated) == keys
    measure = stated["measure"]
    if stated["rule"] == "equals":
        assert measure.keys() == {"fact"}
        return
    assert {measure["arm"], measure.get("against", "none")} <= ARMS.keys()
    assert measure["fold"] == "last"
    assert measure["metric"].removesuffix("_pooled") in metrics.SCORES
    assert ("against" in measure) == (stated["rule"] == "difference")


def test_verdicts_have_the_columns_of_the_design():
    summary = pd.DataFrame(columns=["arm", "fold", "metric", "mean", "ci_low", "ci_high"])
    columns = ["arm", "fold", "seed", "video", "frame", "metric", "value"]
    verdicts = claims.judge(
        claims.read_claims(), pd.DataFrame(columns=columns), summary, is_phantom=False, **BOOTSTRAP
    )
    design = ["id", "published", "reproduced", "ci_low", "ci_high", "rule", "verdict"]
    assert verdicts.columns.tolist() == design
    assert verdicts.id.tolist() == list(SHIPPED)
    expected = {"equals": "reproduced"}
    for row in verdicts.itertuples():
        assert row.verdict == expected.get(SHIPPED[row.id]["rule"], "cannot be tested")


def test_verdicts_get_the_words_of_their_claims():
    names = ["convolutions", "f1_none"]
    rows = [(name, 1.0, "reproduced") for name in names]
    verdicts = claims.with_words(pd.DataFrame(rows, columns=["id", "reproduced", "verdict"]))
    assert verdicts.columns.tolist() == ["claim", "source", "reproduced", "verdict"]
    words = {(SHIPPED[name]["claim"], SHIPPED[name]["source"]) for name in names}
    assert set(zip(verdicts.claim, verdicts.source, strict=True)) == words
