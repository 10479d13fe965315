"""The claims of the report, their rules and the verdicts."""

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import claims, tables
from lib.claims import PUBLISHED_RECIPE
from lib.files import StateError
from lib.paths import PARAMS
from lib.statistics import METRICS

# As the report has them: abstract (scores), section 4.1 (convolutions), section 4.3 (images, and
# how many times as large), and the last epoch of its Figure 5b.
SCORES = {
    "f1_augmented": 0.891,
    "f1_none": 0.605,
    "iou_augmented": 0.770,
    "iou_none": 0.332,
}
# Judged once more for arms that are trained for as long as the published run.
FULL = {
    "f1_augmented_full": 0.891,
    "iou_augmented_full": 0.770,
    "f1_augmented_1e-3": 0.891,
    "f1_augmented_1e-4": 0.891,
    "f1_none_1e-3": 0.605,
    "iou_augmented_1e-3": 0.770,
    "iou_none_1e-3": 0.332,
    "f1_none_1e-3_full": 0.605,
    "iou_none_1e-3_full": 0.332,
}
PUBLISHED = (
    SCORES
    | FULL
    | {
        "convolutions": 23,
        "augmented_images": 1447,
        "growth": 13,
        "iou_of_foreground_none": 0.332,
        "iou_of_foreground_augmented": 0.770,
        "stopping": 26,
        "validation_f1_none": 0.0,
        "validation_f1_none_1e-3": 0.0,
        "validation_f1_none_1e-3_full": 0.0,
    }
)
NAN = float("nan")
BOOTSTRAP = {"block": 2, "resamples": 200}


@pytest.fixture(autouse=True)
def _known_facts(request, monkeypatch):
    """Spare every test but its own the network at its published size."""
    if "facts" not in request.node.name:
        facts = {"convolutions": 23, "augmented_images": 1447, "growth": 12}
        facts |= {"iou_from_f1_none": 0.434, "iou_from_f1_augmented": 0.803, "last_epoch_none": 19}
        monkeypatch.setattr(claims, "facts", lambda: facts)


def claim(rule, published, **rest):
    measure = {"arm": "a", "fold": "last", "metric": "f1_pooled"}
    if rule == "above":
        measure["against"] = "b"
    if rule == "equals":
        measure = {"fact": "convolutions"}
    about = {"id": "x", "claim": "It is so", "source": "report"}
    return about | {"rule": rule, "published": published, "measure": measure} | rest


def judge(stated, table=None, summary=None, histories=None, is_phantom=False):
    if summary is None:
        summary = scores()
    verdicts = claims.judge([stated], table, summary, histories, is_phantom=is_phantom, **BOOTSTRAP)
    return verdicts.iloc[0]


def scores(mean=NAN, low=NAN, high=NAN):
    """Make a summary of arm a, and of others that are not to be taken for it."""
    rows = [("a", "random", "f1_pooled", 0, 0, 0), ("b", "last", "f1_pooled", 0, 0, 0)]
    rows += [("a", "last", "f1", 0, 0, 0), ("a", "last", "f1_pooled", mean, low, high)]
    columns = ["arm", "fold", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).assign(n_seeds=3)


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
    assert found.n_seeds == 3


def test_score_that_was_not_measured():
    summary = scores(0.8, 0.7, 0.9).query("arm != 'a' or fold != 'last'")
    found = judge(claim("within", 0.8, tolerance=0.05), summary=summary)
    assert found.verdict == "cannot be tested"
    assert np.isnan(found.reproduced)
    assert found.n_seeds == 0


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
def test_rule_above(monkeypatch, mean, low, high, verdict):
    monkeypatch.setattr(claims, "_difference", lambda *_: (mean, low, high, 1))
    table = pd.DataFrame({"fold": ["last"]})
    found = judge(claim("above", 0.3, margin=0.1), table=table)
    assert found.verdict == verdict
    assert found.rule == "above 0.1"


UP, UNSURE, FLAT, DOWN, MISSING = (
    (0.3, 0.2, 0.4),
    (0.1, -0.1, 0.3),
    (-0.1, -0.3, 0.1),
    (-0.3, -0.4, -0.2),
    (NAN, NAN, NAN),
)


@pytest.mark.parametrize(
    ("found", "shown", "verdict"),
    [
        ([UP, UP], UP, "reproduced"),
        ([UP, UNSURE], UNSURE, "partly"),
        ([UNSURE, UNSURE], UNSURE, "partly"),
        ([UP, FLAT], FLAT, "partly"),
        ([FLAT, UNSURE], FLAT, "partly"),
        ([FLAT, FLAT], FLAT, "not reproduced"),
        ([UP, DOWN], DOWN, "contradicted"),
        ([DOWN, FLAT], DOWN, "contradicted"),
        ([UP, MISSING], MISSING, "cannot be tested"),
        ([MISSING, DOWN], MISSING, "cannot be tested"),
    ],
)
def test_several_differences_are_judged_together(monkeypatch, found, shown, verdict):
    numbers = dict(zip("cd", found, strict=True))
    monkeypatch.setattr(
        claims, "_difference", lambda _, measure, *__: (*numbers[measure["arm"]], 1)
    )
    stated = claim("above", 0.3, margin=0.0)
    pairs = [{"arm": "c", "against": "b"}, {"arm": "d", "against": "b"}]
    stated["measure"] = {"fold": "last", "metric": "f1_pooled", "differences": pairs}
    judged = judge(stated, table=pd.DataFrame({"fold": ["last"]}))
    assert judged.verdict == verdict
    np.testing.assert_equal((judged.reproduced, judged.ci_low, judged.ci_high), shown)


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
    stated = claim("above", 0.3, margin=0.0)
    found = judge(stated, table=pd.DataFrame(rows))
    # F1 of b: 2 * 5 / (2 * 5 + 5).
    assert found.reproduced == pytest.approx(1 - 2 / 3)
    assert (found.ci_low, found.ci_high) == pytest.approx((1 / 3, 1 / 3))
    assert found.verdict == "reproduced"
    assert found.n_seeds == 1
    swapped = stated | {"measure": stated["measure"] | {"arm": "b", "against": "a"}}
    assert judge(swapped, table=pd.DataFrame(rows)).verdict == "contradicted"
    alone = pd.DataFrame(counts("a", "last", 10))
    lacking = judge(stated, table=alone)
    assert (lacking.verdict, lacking.n_seeds) == ("cannot be tested", 0)


def test_difference_on_the_fold_video_is_the_mean_of_the_two():
    rows = counts("a", "01to02", 10) + counts("b", "01to02", 10)
    rows += counts("a", "02to01", 10) + counts("b", "02to01", 5)
    rows += counts("a", "last", 0) + counts("b", "last", 10)
    stated = claim("above", 0.3, margin=0.0)
    stated["measure"]["fold"] = "video"
    assert judge(stated, table=pd.DataFrame(rows)).reproduced == pytest.approx((1 - 2 / 3) / 2)
    last = pd.DataFrame(rows).query("fold == 'last'")
    assert judge(stated, table=last).verdict == "cannot be tested"


# From training curves


def history(arm="a", fold="last", seed=0, **columns):
    return pd.DataFrame({"arm": arm, "fold": fold, "seed": seed} | columns)


def curves_claim(measure, **rest):
    stated = claim("above", 0.57, margin=0.05) | rest
    return stated | {"measure": {"arm": "a", "fold": "last", "history": measure}}


def overfitting(loss, val_loss, **run):
    return history(loss=loss, val_loss=val_loss, **run)


def test_overfitting_is_how_far_the_validation_loss_ends_above_its_lowest():
    other = [{"arm": "b"}, {"fold": "random"}, {"arm": "scan_a_1e-02"}]
    runs = [overfitting([0.6, 0.1], [0.5, 9.0], **place) for place in other]
    runs += [
        overfitting([0.69, 0.60, 0.3], [0.69, 0.5, 0.8], seed=0),
        overfitting([0.69, 0.60, 0.3], [0.69, 0.5, 0.7], seed=1),
    ]
    found = judge(curves_claim("overfitting"), histories=pd.concat(runs))
    numbers = [found.reproduced, found.ci_low, found.ci_high]
    assert numbers == pytest.approx([0.25, 0.2, 0.3])
    assert (found.verdict, found.n_seeds) == ("reproduced", 2)
    assert found.rule == "above 0.05"


@pytest.mark.parametrize(
    ("loss", "overfit"),
    # ln 2 less 0.05 is 0.643.
    [([0.69, 0.65], 0.0), ([0.69, 0.64], 0.3), ([0.69, 0.60, 0.69], 0.3), ([0.69, NAN], 0.0)],
)
def test_a_network_that_never_left_ln_2_does_not_overfit(loss, overfit):
    runs = overfitting(loss, [0.5] * (len(loss) - 1) + [0.8])
    found = judge(curves_claim("overfitting"), histories=runs)
    assert found.reproduced == pytest.approx(overfit)
    assert found.verdict == ("reproduced" if overfit else "contradicted")


def test_seeds_that_differ_leave_a_claim_about_curves_open():
    runs = [overfitting([0.3, 0.2], [0.5, end], seed=n) for n, end in enumerate((0.5, 0.9))]
    assert judge(curves_claim("overfitting"), histories=pd.concat(runs)).verdict == "partly"


def test_validation_f1_is_the_median_of_the_epochs():
    within = {"rule": "within", "published": 0.0, "tolerance": 0.1}
    runs = [history(val_batch_f1=[0.0, 0.0, 0.9], seed=0), history(val_batch_f1=[0.1] * 3, seed=1)]
    found = judge(curves_claim("validation_f1", **within), histories=pd.concat(runs))
    assert (found.reproduced, found.ci_low, found.ci_high) == pytest.approx((0.05, 0.0, 0.1))
    assert found.verdict == "reproduced"


def test_curves_that_were_not_drawn():
    runs = overfitting([0.6], [0.5], arm="b")
    found = judge(curves_claim("overfitting"), histories=runs)
    assert found.verdict == "cannot be tested"
    assert judge(curves_claim("overfitting"), histories=runs, is_phantom=True).verdict == (
        "not tested on the original data"
    )


# Facts and the phantom


@pytest.mark.parametrize(("published", "verdict"), [(23, "reproduced"), (24, "contradicted")])
@pytest.mark.parametrize("is_phantom", [False, True])
def test_rule_equals_holds_whatever_the_images(published, verdict, is_phantom):
    found = judge(claim("equals", published), is_phantom=is_phantom)
    assert found.verdict == verdict
    assert found.reproduced == 23
    assert found.rule == "equals"


@pytest.mark.parametrize(
    ("published", "verdict"), [(23.4, "reproduced"), (22.5, "reproduced"), (23.6, "contradicted")]
)
def test_rule_equals_up_to_a_tolerance(published, verdict):
    found = judge(claim("equals", published, tolerance=0.5))
    assert found.verdict == verdict
    assert found.rule == "equals, within 0.5"


@pytest.mark.parametrize("mean", [0.8, NAN])
def test_no_score_is_judged_on_the_phantom(mean):
    summary = scores(mean, mean, mean)
    found = judge(claim("within", 0.8, tolerance=0.1), summary=summary, is_phantom=True)
    assert found.verdict == "not tested on the original data"


def test_facts_of_the_report():
    facts = claims.facts()
    # F1 = 2 IoU / (1 + IoU), of the published 0.605 and 0.891.
    assert 2 * facts["iou_from_f1_none"] / (1 + facts["iou_from_f1_none"]) == pytest.approx(0.605)
    assert facts.pop("iou_from_f1_none") == pytest.approx(0.4337, abs=1e-4)
    assert facts.pop("iou_from_f1_augmented") == pytest.approx(0.8034, abs=1e-4)
    # In Figure 5b the validation loss is lowest at epoch 2.
    whole = {"convolutions": 23, "augmented_images": 1447, "growth": 12, "last_epoch_none": 19}
    assert facts == whole


def test_updates_in_an_epoch_of_the_report():
    # 134 images less the last tenth, and twelve copies of them.
    assert claims.published_epoch_updates() == {"none": 120, "augmented": 1447}


# params/claims.yaml -------------------------------------------------------------------------

SHIPPED = {stated["id"]: stated for stated in claims.read_claims()}
ARMS = yaml.safe_load((PARAMS / "base.yaml").read_text(encoding="utf-8"))["arms"]


def test_claims_have_the_values_of_the_report():
    assert {name: SHIPPED[name]["published"] for name in PUBLISHED} == PUBLISHED
    others = {name: stated for name, stated in SHIPPED.items() if name not in PUBLISHED}
    assert {stated["rule"] for stated in others.values()} == {"above"}
    for name, stated in others.items():
        if "overfits" in name:
            # Read off Figure 5b.
            assert stated["published"] == pytest.approx(overfitting_of_the_report(), abs=0.01)
        elif "weights" in name:
            assert stated["published"] is None
        else:
            assert stated["published"] == pytest.approx(0.891 - 0.605)
    assert len(SHIPPED) == len(claims.read_claims())


def overfitting_of_the_report():
    curves = pd.read_csv(PARAMS / "published_curves.csv")
    curve = curves.query("metric == 'loss' and arm == 'none' and split == 'validation'").value
    return curve.iloc[-1] - curve.min()


def test_claims_agree_with_the_published_table():
    # The U-Net paper's own score belongs to no arm, and is no claim of the report.
    table = pd.read_csv(PARAMS / "published.csv", index_col="id").dropna(subset="arm")
    assert table.value.to_dict() == SCORES
    for name, row in table.iterrows():
        measure = SHIPPED[name]["measure"]
        assert (measure["arm"], measure["metric"]) == (row.arm, f"{row.metric}_pooled")


def of_measure(measure):
    """Keys of a measure that is well formed, and the arms that it is of."""
    if "fact" in measure:
        return {"fact"}, set()
    if "history" in measure:
        assert measure["history"] in claims.HISTORY
        return {"arm", "fold", "history"}, {measure["arm"]}
    assert measure["metric"] in METRICS
    if "differences" in measure:
        assert all(pair.keys() == {"arm", "against"} for pair in measure["differences"])
        arms = {arm for pair in measure["differences"] for arm in pair.values()}
        return {"fold", "metric", "differences"}, arms
    pair = {key: measure[key] for key in ("arm", "against") if key in measure}
    return {"fold", "metric", *pair}, set(pair.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("claims: [", "claims.yaml: cannot be read: while parsing"),
        ("claims: []", "claims.yaml: cannot be read: 'effects'"),
        ("claims: [{id: one, rule: within}]\neffects: []", "one has no claim; .*no tolerance"),
        ("claims: []\neffects: [{id: two, what: that, arm: gap}]", "two has no against"),
    ],
)
def test_broken_claims_are_refused_with_the_file_and_the_entry(tmp_path, monkeypatch, text, words):
    monkeypatch.setattr(claims, "PARAMS", tmp_path)
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(StateError, match=words):
        claims.read_claims()


@pytest.mark.parametrize("name", SHIPPED)
def test_claim_is_well_formed(name):
    stated, measure = SHIPPED[name], SHIPPED[name]["measure"]
    widths = {"within": [["tolerance"]], "above": [["margin"]], "equals": [[], ["tolerance"]]}
    seen = ["seen"] if "seen" in stated else []
    keys = [
        ["id", "claim", *seen, "source", "published", "rule", *width, "measure"]
        for width in widths[stated["rule"]]
    ]
    assert stated.get("seen", "") in tables.SEEN
    assert list(stated) in keys
    wanted, arms = of_measure(measure)
    assert measure.keys() == wanted
    assert arms <= (set(PUBLISHED_RECIPE) | ARMS.keys())
    assert measure.get("fold", "last") in ("last", "video")
    assert ("fact" in measure) == (stated["rule"] == "equals")
    if stated["rule"] == "above":
        assert {"against", "differences", "history"} & measure.keys()


def test_verdicts_have_the_columns_of_the_design():
    summary = pd.DataFrame(
        columns=["arm", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds"]
    )
    columns = ["arm", "fold", "seed", "video", "frame", "metric", "value"]
    histories = pd.DataFrame(columns=["arm", "fold", "seed", "loss", "val_loss", "val_batch_f1"])
    verdicts = claims.judge(
        claims.read_claims(),
        pd.DataFrame(columns=columns),
        summary,
        histories,
        is_phantom=False,
        **BOOTSTRAP,
    )
    design = ["id", "published", "reproduced", "ci_low", "ci_high", "n_seeds", "rule", "verdict"]
    assert verdicts.columns.tolist() == design
    assert verdicts.id.tolist() == list(SHIPPED)
    found = verdicts.set_index("id").verdict.to_dict()
    assert found == dict.fromkeys(SHIPPED, "cannot be tested") | {
        "convolutions": "reproduced",
        "augmented_images": "reproduced",
        "growth": "contradicted",
        "stopping": "contradicted",
        "iou_of_foreground_none": "contradicted",
        "iou_of_foreground_augmented": "contradicted",
    }


def test_verdicts_get_the_words_of_their_claims():
    names = ["convolutions", "f1_none", "iou_none_1e-3"]
    rows = [(name, 1.0, "reproduced") for name in names]
    verdicts = claims.with_words(pd.DataFrame(rows, columns=["id", "reproduced", "verdict"]))
    assert verdicts.columns.tolist() == [
        *("claim", "source", "kind", "fold", "seen"),
        *("reproduced", "verdict"),
    ]
    words = {(SHIPPED[name]["claim"], SHIPPED[name]["source"]) for name in names}
    assert set(zip(verdicts.claim, verdicts.source, strict=True)) == words
    assert verdicts.kind.tolist() == ["score", "score", "given number"]
    assert verdicts.fold.tolist() == ["last", "last", ""]
    assert verdicts.seen.tolist() == ["", "first", ""]


def test_kinds_of_claims():
    assert {claims.kind(SHIPPED[name]["measure"]) for name in SCORES} == {"score"}
    differences = ("sound", "effect_tuned", "weights_at_borders")
    assert {claims.kind(SHIPPED[name]["measure"]) for name in differences} == {"difference"}
    assert claims.kind(SHIPPED["overfits"]["measure"]) == "training curve"


# Effects ------------------------------------------------------------------------------------


@pytest.fixture
def _own_effects(monkeypatch):
    """State two effects of our own, in two metrics."""
    pairs = [("up", "a", "b"), ("other", "c", "b")]
    stated = [{"id": n, "what": n, "arm": arm, "against": against} for n, arm, against in pairs]
    content = {"effects": stated, "metrics": ["f1_pooled", "recall_pooled"]}
    monkeypatch.setattr(claims, "_read", lambda: content)


@pytest.fixture
def effects(_own_effects):
    stated, names = claims.read_effects()
    return lambda rows: claims.effects(pd.DataFrame(rows), stated, names, **BOOTSTRAP)


@pytest.fixture
def leakage(_own_effects):
    _, names = claims.read_effects()
    return lambda rows: claims.leakage(pd.DataFrame(rows), names, **BOOTSTRAP)


def test_effects_are_measured_on_each_fold_and_on_both_videos(effects):
    rows = counts("a", "01to02", 10) + counts("b", "01to02", 10) + counts("c", "01to02", 10)
    rows += counts("a", "02to01", 10) + counts("b", "02to01", 5)
    rows += counts("a", "last", 5) + counts("b", "last", 10)
    table = effects(rows)
    design = ["id", "what", "arm", "against", "fold", "metric", "mean", "ci_low", "ci_high"]
    design += ["n_seeds"]
    assert table.columns.tolist() == design
    found = table[table.metric == "recall_pooled"].set_index(["id", "fold"])["mean"].to_dict()
    # Without arm c on the other fold there is no mean of the two.
    assert found == {
        ("up", "01to02"): 0,
        ("up", "02to01"): 0.5,
        ("up", "last"): -0.5,
        ("up", "video"): 0.25,
        ("other", "01to02"): 0,
    }
    f1 = table[(table.metric == "f1_pooled") & (table.fold == "02to01")].iloc[0]
    assert (f1["mean"], f1.ci_low, f1.ci_high) == pytest.approx([1 - 2 / 3] * 3)


def test_effects_count_the_seeds_that_both_arms_have(effects):
    rows = counts("a", "01to02", 10) + counts("b", "01to02", 10)
    rows += [row | {"seed": 1} for row in rows] + [
        row | {"seed": 2} for row in counts("a", "01to02", 10)
    ]
    rows += counts("a", "02to01", 10) + counts("b", "02to01", 10)
    seeds = effects(rows).query("metric == 'f1_pooled'").set_index("fold").n_seeds.to_dict()
    assert seeds == {"01to02": 2, "02to01": 1, "video": 1}


def test_effects_of_one_video_alone_are_no_mean_of_two(effects):
    table = effects(counts("a", "01to02", 10) + counts("b", "01to02", 5))
    assert table.fold.unique().tolist() == ["01to02"]


def test_effects_where_none_can_be_measured(effects):
    nothing = effects(counts("a", "last", 10))
    assert nothing.empty
    assert "n_seeds" in nothing


def test_leakage_is_random_frames_less_the_mean_of_both_videos(leakage):
    rows = counts("a", "random", 10) + counts("a", "01to02", 5) + counts("a", "02to01", 8)
    rows += counts("b", "random", 4) + counts("b", "01to02", 5) + counts("b", "02to01", 5)
    # Frames at the end of a video are neither.
    rows += counts("a", "last", 0) + counts("b", "last", 10)
    table = leakage(rows)
    assert table.columns.tolist() == ["arm", "n_seeds", "metric", "mean", "ci_low", "ci_high"]
    assert set(table.n_seeds) == {1}
    recall = table[table.metric == "recall_pooled"].set_index("arm")
    for arm, expected in (("a", 1 - 0.65), ("b", 0.4 - 0.5)):
        numbers = recall.loc[arm, ["mean", "ci_low", "ci_high"]].tolist()
        assert numbers == pytest.approx([expected] * 3)
    assert table.metric.tolist() == ["f1_pooled", "recall_pooled"] * 2


def test_leakage_of_arms_that_were_run_on_one_kind_of_fold_alone(leakage):
    both = counts("a", "random", 10) + counts("a", "01to02", 5) + counts("a", "02to01", 5)
    rows = counts("b", "random", 10) + counts("c", "01to02", 5) + counts("c", "02to01", 5)
    # One video held out is half of a mean.
    half = counts("d", "random", 10) + counts("d", "02to01", 5)
    # A baseline remembers nothing.
    half += [row | {"arm": "image_blind"} for row in both]
    assert leakage(both + rows + half).arm.unique().tolist() == ["a"]
    nothing = leakage(rows)
    assert nothing.empty
    assert list(nothing) == ["arm", "n_seeds", "metric", "mean", "ci_low", "ci_high"]


def test_shipped_effects_are_between_arms_of_the_profiles():
    stated = yaml.safe_load((PARAMS / "claims.yaml").read_text(encoding="utf-8"))
    arms = set(ARMS)
    for name in ("study", "paper"):
        arms |= set(yaml.safe_load((PARAMS / f"{name}.yaml").read_text(encoding="utf-8"))["arms"])
    for key in ("id", "what"):
        assert len({effect[key] for effect in stated["effects"]}) == len(stated["effects"])
    for effect in stated["effects"]:
        assert effect.keys() == {"id", "what", "arm", "against"}
        assert {effect["arm"], effect["against"]} <= arms
    assert set(stated["metrics"]) <= set(METRICS)
