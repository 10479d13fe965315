import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.page.values import Measured, MissingValue, UntrueSentence, Values, number

SCORE = "arm,fold,metric,mean,ci_low,ci_high,n_seeds,n_frames\n"
EFFECT = "id,what,arm,against,fold,metric,mean,ci_low,ci_high,n_seeds\n"
FILES = {
    "summary": SCORE + "plain,last,f1,.757,.7,.8,3,34\nplain,01to02,f1,.5,.4,.6,3,84\n"
    "plain,video,iou,.61,.6,.62,3,168\nplain,last,iou,.5,.4,.6,3,34\nplain,last,seg_st,,,,3,34\n",
    "cells": SCORE + "labels,video,seg_gt,.956,.95,.96,1,18\nlabels,video,f1,1,1,1,1,18\n",
    "effects": EFFECT + "a,A,warped,plain,last,f1,-.003,-.103,.111,3\n",
    "cells_effects": EFFECT + "a,A,warped,plain,video,seg_gt,.2149,.1,.3,3\n",
    "runs": "arm,fold,seed,sees_cells\nplain,last,0,True\nplain,last,1,False\nplain,random,0,\n",
    "claims": "id,claim,published,value,ci_low,ci_high,verdict\nf1,It works,.891,.82,.7,.9,partly\n"
    "shares,Some see,.9,,,,reproduced\nkinds,Both,.9,,.722,.868,partly\n",
}


@pytest.fixture
def values(tmp_path):
    """Make results under the name of a profile, with the published images or others."""

    def make(profile="study", known=True):
        outputs = tmp_path / profile
        outputs.mkdir()
        (outputs / "data.json").write_text(json.dumps({"known": known}))
        for name, text in FILES.items():
            (outputs / f"{name}.csv").write_text(text)
        return Values(outputs)

    return make


@pytest.fixture
def shown(monkeypatch):
    """What is shown in Markdown."""
    texts = []
    monkeypatch.setattr("lib.page.values.display", lambda piece: texts.append(piece.data))
    return texts


def test_a_value_is_bound_and_written_as_the_study_writes_it(values):
    v = values()
    assert f"{v.score('plain', 'f1')}" == ".757 (.700 to .800)"
    assert f"F1 {v.score('plain', 'f1'):.2f}" == "F1 .76"
    assert f"{v.effect('warped', 'plain', 'seg_gt'):+.2f}" == "+.21"
    assert format(v.effect("warped", "plain", "f1")) == "−.003 (−.103 to .111)"
    assert format(v.effect("warped", "plain", "seg_gt")) == "+.215 (.100 to .300)"


def test_the_fold_is_that_of_both_videos_where_there_is_one_and_else_the_first(values):
    v = values()
    assert v.score("plain", "f1").mean == 0.757
    assert v.score("plain", "f1", "01to02").mean == 0.5
    assert v.score("plain", "iou").mean == 0.61
    assert v.score("plain", "iou", "last").mean == 0.5


def test_a_measure_of_cells_is_found_and_never_stands_in_for_one_of_pixels(values):
    v = values()
    assert v.score("labels", "seg_gt").mean == 0.956
    assert v.score("plain", "f1").mean < 1


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(0.1, 0.2, "higher"), (-0.2, -0.1, "lower"), (-0.1, 0.2, "undecided"), (0, 0.2, "undecided")]
    + [(math.nan, math.nan, "undecided")],
)
def test_an_interval_decides_when_it_leaves_out_zero(low, high, says):
    measured = Measured(0.1, low, high)
    said = [name for name in ("higher", "lower", "undecided") if getattr(measured, name)]
    assert said == [says]


@pytest.mark.parametrize("ends", [(0.1, 0.2), (-0.2, -0.1)])
def test_an_interval_of_a_single_run_decides_nothing(ends):
    row = pd.Series([0.15, *ends, 1], index=["mean", "ci_low", "ci_high", "n_seeds"])
    assert Measured.of(row).undecided
    row["n_seeds"] = 2
    assert not Measured.of(row).undecided


def test_a_mean_without_an_interval_stands_alone():
    assert format(Measured(0.5)) == format(Measured(0.5, 0.5, 0.5)) == ".500"


@given(st.floats(-2, 2), st.sampled_from([".0f", ".2f", "+.3f", ".0%"]))
def test_a_number_reads_back_and_has_no_zero_before_its_point(value, spec):
    text = number(value, spec)
    plain = text.replace("−", "-")
    assert "-" not in text
    assert not text.lstrip("+−").startswith("0.")
    assert float(plain.rstrip("%")) == float(format(value, spec).rstrip("%"))
    assert text != "−.000"


def test_numbers_of_other_sizes_keep_their_digits():
    assert [number(x, s) for x, s in ((-2.773, ".1f"), (10.5, ".2f"), (1447, "d"), (0, ".1f"))] == [
        "−2.8",
        "10.50",
        "1447",
        ".0",
    ]


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda v: v.score("other", "f1"), "summary.csv and .*cells.csv: no arm other, metric f1"),
        (lambda v: v.score("plain", "f1", "random"), "arm plain, metric f1, fold random"),
        (lambda v: v.score("plain", "seg_st"), "no arm plain, metric seg_st"),
        (lambda v: v.effect("plain", "warped", "f1"), "no arm plain, against warped, metric f1"),
        (lambda v: v.runs("plain", "01to02"), "runs.csv: no arm plain, fold 01to02"),
        (lambda v: v.claim("other"), "claims.csv: no id other"),
    ],
)
def test_a_value_that_is_not_there_is_named(values, ask, named):
    with pytest.raises(MissingValue, match=named) as caught:
        ask(values())
    assert isinstance(caught.value, LookupError)


def test_runs_claims_and_arms_are_looked_up(values):
    v = values()
    assert v.runs("plain", "last").sees_cells.sum() == 1
    assert len(v.runs("plain")) == 3
    assert (v.claim("f1").verdict, v.claim("f1").published) == ("partly", 0.891)
    assert v.has("plain", "labels")
    assert not v.has("plain", "other")


def test_tables_for_reading_have_a_row_an_arm_or_a_pair_and_a_column_a_metric(values):
    v = values()
    scores = v.summary(["iou", "f1", "seg_st"], "last")
    assert scores.columns.tolist() == ["arm", "iou", "f1", "seg_st"]
    assert scores.loc[0, ["arm", "iou", "f1"]].map(format).tolist() == [
        "plain",
        ".500 (.400 to .600)",
        ".757 (.700 to .800)",
    ]
    assert scores.seg_st.isna().all()
    effects = v.summary(["seg_gt"], "video", file="cells_effects")
    assert effects.map(format).to_numpy().tolist() == [
        ["A", "warped", "plain", "+.215 (.100 to .300)"]
    ]
    assert v.summary(["f1"], "random").columns.tolist() == ["arm", "f1"]


def test_claims_are_laid_out_in_the_order_that_is_asked_for(values):
    table = values().verdicts(["shares", "unheard_of", "f1", "kinds"])
    assert table.columns.tolist() == ["claim", "published", "here", "verdict"]
    assert table.claim.tolist() == ["Some see", "It works", "Both"]
    shown = [format(value) for value in table.here]
    assert shown == ["None", ".820 (.700 to .900)", "from\xa0.72\xa0to\xa0.87"]


def test_a_sentence_that_holds_is_said_on_every_profile(values, shown):
    for profile in ("study", "quick"):
        v = values(profile)
        v.say(f"F1 is {v.score('plain', 'f1'):.2f}.", holds=v.score("plain", "f1").mean > 0.7)
        v.say(lambda: "Plain.")
    assert shown == ["F1 is .76.", "Plain."] * 2


def test_a_sentence_that_does_not_hold_stops_the_study_and_is_named(values, shown):
    v = values()
    with pytest.raises(UntrueSentence, match="not so on study.*F1 rises by −.003"):
        v.say(
            lambda: f"F1 rises by {v.effect('warped', 'plain', 'f1'):.3f}.",
            holds=lambda: v.effect("warped", "plain", "f1").higher,
            otherwise="F1.",
        )
    assert shown == []


@pytest.mark.parametrize(("profile", "known"), [("quick", True), ("study", False)])
def test_elsewhere_and_on_other_images_it_goes_neutral_or_vanishes(values, shown, profile, known):
    v = values(profile, known)
    v.say("Better.", holds=False, otherwise=lambda: f"{v.score('plain', 'f1'):.2f}.")
    v.say("Better.", holds=False)
    v.say(lambda: f"{v.score('other', 'f1')}", otherwise="No such arm.")
    v.say("Better.", lambda: v.score("other", "f1").higher, lambda: f"{v.score('other', 'f1')}")
    assert shown == [".76.", "No such arm."]


def test_a_missing_value_stops_the_study(values):
    v = values()
    with pytest.raises(MissingValue, match="arm other"):
        v.say(lambda: f"{v.score('other', 'f1')}", otherwise="F1.")


def test_each_file_is_read_once_and_only_when_asked_for(values, monkeypatch):
    v, read = values(), []
    monkeypatch.setattr(
        "lib.page.values.read_table", lambda path: read.append(path.name) or pd.read_csv(path)
    )
    assert np.isclose(v.score("plain", "f1").mean + v.score("plain", "iou").mean, 1.367)
    assert read == ["summary.csv"]
