"""The claims, their rules and the verdicts."""

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.files import PARAMS, StateError
from lib.scoring import claims
from lib.scoring.claims import Found

NAN = float("nan")
SAID = claims.read_claims()
SHIPPED = {stated["id"]: stated for stated in SAID["claims"] + SAID["facts"]}


def claim(rule, published=None, bound=0.0, **measure):
    about = {"id": "x", "claim": "It is so", "source": "report", "published": published}
    measure = {"arm": "a", "fold": "last", "metric": "f1_pooled"} | measure
    return about | {"rule": rule, claims.RULES[rule]: bound, "measure": measure}


def counts(arm, tp, fold="last", seed=0):
    """Scores of six frames with `tp` of 10 cell pixels found and no other pixel marked."""
    table = pd.DataFrame({"frame": range(6), "tp": tp, "fp": 0, "fn": 10 - tp, "tn": 10})
    table = table.assign(arm=arm, fold=fold, seed=seed, video="02")
    return table.melt(["arm", "fold", "seed", "video", "frame"], var_name="metric")


def study(*runs):
    """Tables of runs: arm, pixels found, whether it sees cells, and fold."""
    rows, parts, seeds = [], [], {}
    for arm, tp, sees, fold in runs:
        seed = seeds[arm, fold] = seeds.get((arm, fold), -1) + 1
        rows.append([arm, fold, seed, sees])
        parts.append(counts(arm, tp, fold, seed))
    seen = pd.DataFrame(rows, columns=["arm", "fold", "seed", "sees_cells"], dtype=object)
    columns = ["arm", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds"]
    return {"pixels": pd.concat(parts), "summary": pd.DataFrame(columns=columns), "runs": seen}


def judge(stated, tables, original=True):
    table = claims.judge([stated], tables, original=original, block=2, resamples=50)
    assert list(table) == claims.COLUMNS
    return table.iloc[0]


# Rules


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (0.75, 0.10, 0.20, "reproduced"),
        (0.85, 0.90, 0.95, "reproduced"),
        (0.70, 0.65, 0.76, "partly"),
        (0.90, 0.84, 0.95, "partly"),
        (0.70, 0.65, 0.74, "not reproduced"),
        (NAN, NAN, NAN, "cannot be tested"),
    ],
)
def test_rule_within(mean, low, high, verdict):
    rows = [("a", "last", "f1_pooled", mean, low, high, 3), ("a", "last", "f1", 0, 0, 0, 3)]
    tables = study(("a", 1, True, "last"))
    tables["summary"] = pd.DataFrame(rows, columns=list(tables["summary"]))
    found = judge(claim("within", 0.8, 0.05), tables)
    assert (found.verdict, found["rule"], found.n_seeds) == (verdict, "within 0.05", 3)
    np.testing.assert_equal([found.value, found.ci_low, found.ci_high], [mean, low, high])


@pytest.mark.parametrize(
    ("near", "fold", "verdict"),
    [(9, "last", "partly"), (9, "video", "partly"), (6, "last", "not reproduced")],
)
def test_of_runs_of_both_kinds_no_mean_is_taken(near, fold, verdict):
    # F1 is 2 tp / (10 + tp), so that 9 found of 10 are F1 .947, 6 are .75 and 10 are 1. The mean
    # of 6 and 10 lies within, where neither run does.
    folds = ["last"] if fold == "last" else ["01to02", "02to01"]
    both = [("a", tp, sees, one) for tp, sees in ((near, True), (10, False)) for one in folds]
    found = judge(claim("within", 0.9, 0.06, fold=fold), study(*both, ("b", 1, True, "last")))
    assert (found.verdict, found.n_seeds) == (verdict, 2)
    assert np.isnan(found.value)
    assert (found.ci_low, found.ci_high) == pytest.approx((2 * near / (10 + near), 1))


@pytest.mark.parametrize(
    ("numbers", "verdict", "ours"),
    [
        ((0.20, 0.11, 0.30), "reproduced", "supported"),
        ((0.20, 0.05, 0.30), "partly", "undecided"),
        ((0.05, -0.1, 0.30), "not reproduced", "undecided"),
        ((0.10, 0.10, 0.10), "not reproduced", "undecided"),
        ((0.00, -0.1, 0.09), "contradicted", "contradicted"),
        ((NAN, NAN, NAN), "cannot be tested", "cannot be tested"),
    ],
)
def test_rule_above(monkeypatch, numbers, verdict, ours):
    monkeypatch.setattr(claims, "_measured", lambda *_: Found(*numbers, 2))
    assert judge(claim("above", 0.3, 0.1), {}).verdict == verdict
    assert judge(claim("above", None, 0.1), {}).verdict == ours


UP, UNSURE, FLAT = Found(0.3, 0.2, 0.4), Found(0.1, -0.1, 0.3), Found(-0.1, -0.3, 0.1)
DOWN, MISSING, OPEN = Found(-0.3, -0.4, -0.2), Found(), Found(verdict="undecided")


@pytest.mark.parametrize(
    ("found", "shown", "verdict"),
    [
        ([UP, UP], UP, "reproduced"),
        ([UP, UNSURE], UNSURE, "partly"),
        ([UP, FLAT], FLAT, "partly"),
        ([FLAT, FLAT], FLAT, "not reproduced"),
        ([UP, DOWN], DOWN, "contradicted"),
        ([DOWN, MISSING], MISSING, "cannot be tested"),
        ([UP, OPEN], OPEN, "partly"),
        ([OPEN, FLAT], OPEN, "undecided"),
    ],
)
def test_several_differences_are_judged_together(monkeypatch, found, shown, verdict):
    numbers = dict(zip("cd", found, strict=True))
    monkeypatch.setattr(claims, "_measured", lambda _, measure, __: numbers[measure["arm"]])
    pairs = [{"arm": "c", "against": "b"}, {"arm": "d", "against": "b"}]
    judged = judge(claim("above", 0.3, differences=pairs), {})
    assert judged.verdict == verdict
    np.testing.assert_equal([judged.value, judged.ci_low, judged.ci_high], shown[:3])


def test_difference_is_arm_minus_the_other():
    tables = study(*[("a", 10, True, "last"), ("b", 5, True, "last")] * 2)
    found = judge(claim("above", 0.3, against="b"), tables)
    # F1 of b: 2 * 5 / (2 * 5 + 5).
    assert found.value == found.ci_low == pytest.approx(1 - 2 / 3)
    assert (found.verdict, found.n_seeds) == ("reproduced", 2)
    turned = judge(claim("above", 0.3, arm="b", against="a"), tables)
    assert turned.verdict == "contradicted"
    lacking = judge(claim("above", 0.3, against="c"), tables)
    assert (lacking.verdict, lacking.n_seeds) == ("cannot be tested", 0)
    alone = judge(claim("above", 0.3, against="b", fold="video"), tables)
    assert alone.verdict == "cannot be tested"
    other = judge(claim("above", 0.3, against="b"), tables, original=False)
    assert other.verdict == "not tested on the original data"


# Runs that see cells, and runs that answer the same everywhere


def test_arms_that_see_no_cells_are_not_compared():
    tables = study(("a", 2, False, "last"), ("b", 5, False, "last"))
    assert judge(claim("above", 0.3, against="b"), tables).verdict == "void"
    tables = study(*[("a", 9, True, "last"), ("b", 5, False, "last")] * 2)
    assert judge(claim("above", 0.3, against="b"), tables).verdict == "reproduced"


def test_runs_that_see_cells_are_never_averaged_with_those_that_do_not():
    kinds = [("a", 9, True, "last"), ("a", 9, True, "last"), ("a", 1, False, "last")]
    tables = study(*kinds, *[("b", 5, True, "last")] * 2)
    # The third run of a has no partner.
    assert judge(claim("above", 0.3, against="b"), tables).verdict == "reproduced"
    both = study(*[("a", 9, sees, "last") for sees in (1, 0)], *[("b", 5, True, "last")] * 2)
    found = judge(claim("above", 0.3, against="b"), both)
    assert (found.verdict, found.n_seeds) == ("undecided", 2)
    assert np.isnan(found.value)


@pytest.mark.parametrize(("fold", "folds"), [("last", ["last"]), ("video", ["01to02", "02to01"])])
def test_a_single_run_decides_nothing(fold, folds):
    rule = claim("above", 0.3, against="b", fold=fold)
    once = [(arm, tp, True, name) for arm, tp in (("a", 10), ("b", 5)) for name in folds]
    found = judge(rule, study(*once))
    assert (found.verdict, found.n_seeds) == ("single run", 1)
    assert found.value > 0
    assert judge(rule, study(*once, *once)).verdict != "single run"


def test_among_seeing_takes_those_runs_alone_whatever_their_seeds():
    seeing = claim("above", against="b", among="seeing")
    a = [("a", 10, True, "last"), ("a", 10, True, "last"), ("a", 0, False, "last")]
    b = [("b", 0, False, "last"), ("b", 5, True, "last"), ("b", 5, True, "last")]
    found = judge(seeing, study(*a, *b))
    assert (found.verdict, found.n_seeds) == ("supported", 2)
    assert found.value == pytest.approx(1 - 2 / 3)
    few = judge(seeing, study(*a, *b[:2]))
    assert (few.verdict, few.n_seeds) == ("undecided", 1)
    assert judge(seeing, study(a[2], b[0])).verdict == "void"


def test_among_seeing_needs_both_videos():
    runs = [(arm, tp, True, "01to02") for arm, tp in (("a", 10), ("b", 5))] * 2
    seeing = claim("above", against="b", among="seeing", fold="video")
    one = study(*runs, ("a", 9, True, "02to01"), ("b", 9, False, "02to01"))
    assert judge(seeing, one).verdict == "undecided"
    both = study(*runs, ("a", 10, True, "02to01"), ("b", 10, True, "02to01"))
    assert judge(seeing, both).value == pytest.approx((1 - 2 / 3) / 2)


@pytest.mark.parametrize(
    ("first", "second", "p", "verdict"),
    [(5, 0, 2 / 252, "supported"), (0, 5, 2 / 252, "contradicted"), (4, 1, 52 / 252, "undecided")],
)
def test_rule_exact_is_fishers_test(first, second, p, verdict):
    # Of the 252 ways to choose 5 of 10 runs, 1 + 1, and 1 + 25 + 25 + 1, are as uneven.
    a = [("a", 5, number < first, "last") for number in range(5)]
    b = [("b", 5, number < second, "last") for number in range(5)]
    exact = claim("exact", None, 0.05, against="b", share="sees_cells")
    found = judge(exact, study(*a, *b))
    assert (found.verdict, found["rule"], found.n_seeds) == (verdict, "exact 0.05", 5)
    assert found.value == pytest.approx((first - second) / 5)
    assert found.p == pytest.approx(p)
    assert np.isnan(found.ci_low)


# From training curves


def curves(seed=0, **columns):
    return pd.DataFrame({"arm": "a", "fold": "last", "seed": seed} | columns)


def test_overfitting_is_how_far_the_validation_loss_ends_above_its_lowest():
    runs = [
        curves(0, loss=[0.69, 0.60, 0.3], val_loss=[0.69, 0.5, 0.8]),
        curves(1, loss=[0.69, 0.60, 0.3], val_loss=[0.69, 0.5, 0.7]),
        curves(2, loss=[0.1], val_loss=[9]).assign(fold="random"),
    ]
    overfits = claim("above", 0.57, 0.05, history="overfitting")
    found = judge(overfits, {"histories": pd.concat(runs), "summary": None})
    assert [found.value, found.ci_low, found.ci_high] == pytest.approx([0.25, 0.2, 0.3])
    assert (found.verdict, found.n_seeds) == ("reproduced", 2)


# ln 2 less 0.05 is 0.643.
@given(st.floats(0.644, 0.7), st.floats(0.5, 9))
@settings(max_examples=20, deadline=None)
def test_a_network_that_never_left_ln_2_does_not_overfit(loss, end):
    overfitting = claims.HISTORY["overfitting"]
    assert overfitting(curves(loss=[0.69, loss], val_loss=[0.5, end])) == 0
    rise = overfitting(curves(loss=[0.64, loss], val_loss=[0.5, end]))
    assert rise == pytest.approx(end - 0.5)


def test_validation_f1_is_the_median_of_the_epochs():
    assert claims.HISTORY["validation_f1"](curves(val_batch_f1=[0.0, 0.25, 0.9])) == 0.25


# Facts


def test_facts_of_the_report():
    found = claims.judge(
        [SHIPPED[name] for name in SHIPPED if "rule" not in SHIPPED[name]], {}, original=False
    )
    found = found.set_index("id")
    assert set(found.verdict) == set(found["rule"]) == {""}
    # In Figure 5b the validation loss is lowest at epoch 14 at the latest, and patience is 5.
    facts = {"convolutions": 23, "augmented_images": 1447, "growth": 12, "stopping": 19}
    # F1 = 2 IoU / (1 + IoU), of the published 0.605 and 0.891.
    facts |= {"iou_of_foreground_none": 0.4337, "iou_of_foreground_augmented": 0.8034}
    assert found.value.to_dict() == pytest.approx(facts, abs=1e-4)
    assert found.published.to_dict() == {
        **{"convolutions": 23, "augmented_images": 1447, "growth": 13, "stopping": 26},
        **{"iou_of_foreground_none": 0.332, "iou_of_foreground_augmented": 0.770},
    }


# params/claims.yaml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("claims: [", "cannot be read: while parsing"),
        ("claims: []\nfacts: []", "cannot be read: 'effects'"),
        ("claims: [{id: one, rule: within}]", "one has no claim; .*one has no tolerance"),
        ("claims: [{id: one, rule: near}]", "one has an unknown rule: near"),
        ("facts: [{id: two, measure: {fact: age}}]", "two has an unknown fact: age"),
        ("effects: [{id: three, what: that, arm: gap}]", "three has no against"),
        ("claims: [one]", "cannot be read"),
        ("rules: {sees_cells: {}}", "cannot be read: 'one_answer_below'"),
    ],
)
def test_broken_claims_are_refused_with_the_file_and_the_entry(tmp_path, monkeypatch, text, words):
    whole = dict.fromkeys(["claims", "facts", "effects", "metrics"], [])
    whole["rules"] = {"sees_cells": {"one_answer_below": 0.95}}
    if "[]" not in text and text != "claims: [":
        text = yaml.safe_dump(whole | yaml.safe_load(text))
    monkeypatch.setattr(claims, "PARAMS", tmp_path)
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(StateError, match=f"claims.yaml: .*{words}"):
        claims.read_claims()


def arms(profile):
    content = yaml.safe_load((PARAMS / f"{profile}.yaml").read_text(encoding="utf-8"))
    return set(content["arms"])


def test_shipped_entries_are_of_arms_of_the_profiles():
    known, measures = arms("base") | arms("study"), [one["measure"] for one in SHIPPED.values()]
    pairs = [pair for one in measures for pair in one.get("differences", [one])]
    stated, names = SAID["effects"], SAID["metrics"]
    named = {pair[key] for pair in [*pairs, *stated] for key in ("arm", "against") if key in pair}
    assert named <= known
    assert set(names) <= set(claims.METRICS)
    for key in ("id", "what", ("arm", "against")):
        keys = [key] if isinstance(key, str) else list(key)
        assert not pd.DataFrame(stated).duplicated(keys).any()
    assert len(SHIPPED) == len(SAID["claims"]) + len(SAID["facts"])


def test_published_scores_are_those_of_the_published_table():
    table = pd.read_csv(PARAMS / "published.csv", index_col="id").dropna(subset="arm")
    for name, row in table.iterrows():
        measure = SHIPPED[name]["measure"]
        assert SHIPPED[name]["published"] == row.value
        assert (measure["arm"], measure["metric"]) == (row.arm, f"{row.metric}_pooled")


# Effects


def test_effects_are_measured_on_each_fold_and_on_both_videos():
    tables = [counts("a", 10, "01to02"), counts("b", 10, "01to02"), counts("c", 10, "01to02")]
    tables += [counts("a", 10, "02to01"), counts("b", 5, "02to01"), counts("a", 10, "02to01", 1)]
    tables += [counts("a", 5), counts("b", 10)]
    stated = [{"id": arm, "what": arm, "arm": arm, "against": "b"} for arm in "acd"]
    table = claims.effects(pd.concat(tables), stated, ["recall_pooled"], block=2, resamples=50)
    # Without arm c on the other fold there is no mean of the two, and arm d was not run.
    assert table.set_index(["id", "fold"])["mean"].to_dict() == {
        ("a", "01to02"): 0,
        ("a", "02to01"): 0.5,
        ("a", "last"): -0.5,
        ("a", "video"): 0.25,
        ("c", "01to02"): 0,
    }
    assert set(table.n_seeds) == {1}
    columns = ["id", "what", "arm", "against", "fold", "metric", "mean", "ci_low", "ci_high"]
    assert list(table) == [*columns, "n_seeds"]
    assert list(claims.effects(tables[0], stated, ["recall_pooled"])) == list(table)
