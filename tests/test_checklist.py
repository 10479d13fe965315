"""The reviewer's checklist, with constructed results."""

import string
from types import SimpleNamespace

import pandas as pd
import pytest

from lib import checklist

PROFILE = SimpleNamespace(settings={"grid.folds": ["last", "01to02"]})
RECORD = {"source": "folder", "frames": {"01": 84, "02": 84}, "shape": [512, 500]}


def run_rows(**columns):
    rows = {
        "arm": ["none", "none", "gap"],
        "fold": "last",
        "seed": [0, 1, 0],
        "side": "test",
        "status": "completed",
        "minutes": [1.0, 2.0, 9.0],
        "parameters": [1000, 1000, 2000],
        "processor": ["x", "y", "x"],
        "dirty": [False, True, False],
    }
    return pd.DataFrame(rows | columns)


def facts(record=RECORD, **columns):
    verdicts = pd.DataFrame({"kind": "score", "verdict": ["partly", "reproduced", "partly"]})
    verdicts = verdicts.assign(published=0.9)
    return checklist.facts(PROFILE, record, run_rows(**columns), verdicts)


def test_answers_are_those_of_the_results():
    known = facts()
    assert (known["frames"], known["videos"], known["rows"], known["columns"]) == (168, 2, 512, 500)
    assert (known["minutes"], known["hours"], known["dirty"]) == ("2.0", "0.2", 1)
    assert (known["parameters_low"], known["parameters_high"]) == ("1,000", "2,000")
    assert known["processors"] == "x; y"
    assert known["verdicts"] == (
        "3 statements of the report or about it, some of them one claim at several learning rates "
        "or lengths: 3 on scores (2 partly, 1 reproduced)."
    )
    assert known["runs_status"] == known["data_status"] == "yes"


def test_what_is_not_done_is_not_said_to_be():
    known = facts(status=["completed", "completed", "not run"])
    assert known["runs_status"] == "in part"
    assert known["runs_answer"] == "2 of 3 planned runs are done."
    assert facts()["seeds_status"] == "in part"
    assert "1 to 2" in facts()["seeds_answer"]
    assert facts(arm="none", seed=[0, 1, 2])["seeds_status"] == "yes"


def test_a_phantom_is_not_the_data_set():
    known = facts(RECORD | {"source": "phantom"})
    assert known["data_status"] == "no"
    assert "phantom" in known["data_answer"]


def test_every_fact_is_asked_for_and_nothing_else():
    items = [item for group in checklist.read_checklist() for item in group["items"]]
    texts = [item[part] for item in items for part in ("status", "answer")]
    asked = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
    assert asked == set(facts())


@pytest.mark.parametrize("group", checklist.read_checklist(), ids=lambda group: group["title"])
def test_every_answer_is_one_of_four_and_says_where(group):
    for item in group["items"]:
        status = item["status"].format(**facts())
        assert status in ("yes", "no", "in part", "not applicable")
        assert item["where"] or status in ("no", "not applicable"), item["asked"]


def test_tables_have_a_row_an_item():
    groups = [
        {
            "title": "A list",
            "source": "somebody",
            "items": [
                {"asked": "Data?", "status": "yes", "answer": "{frames}.", "where": {"A": "#a"}},
                {"asked": "Proofs?", "status": "no", "answer": "None.", "where": {}},
            ],
        }
    ]
    lines = checklist.as_markdown(groups, {"frames": 7}).splitlines()
    assert lines[0] == "### A list"
    assert lines[-2:] == ["| Data? | yes | 7. | [A](#a) |", "| Proofs? | no | None. |  |"]
