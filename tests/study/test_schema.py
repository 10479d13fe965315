"""Settings: every one is described, and those that matter to a run name its folder."""

import hashlib
import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lib.data.files import PARAMS, REFERENCES
from lib.study.params import load
from lib.study.schema import (
    FIELDS,
    NEEDS,
    Settings,
    arm_on,
    changed,
    dotted,
    has_effect,
    relevant,
    written,
)

BASE = load("base")
STUDY = load("study")
FOLDS = ("last", "random", "01to02", "02to01")
# Another value of every setting that has fewer than two neighbours, or bounds near by.
OTHER = {
    "data.source": "phantom",
    "data.folder": "/data",
    "data.name": "PhC-C2DL-PSC",
    "data.phantom_size": [64, 80],
    "image.normalise": "frame",
    "model.network": "aspp",
    "model.normalisation": "batch",
    "augmentation.method": "static",
    "weight_map.terms": "both",
    "training.target": "gap",
    "training.optimiser": "adam",
    "training.momentum": 0.5,
    "training.schedule": "cosine",
    "training.precision": "mixed_bfloat16",
    "evaluation.side": "validation",
    "evaluation.threshold": 0.4,
    "grid.arms": ["none"],
    "grid.seeds": {"random": 2},
}


def other(key, value):
    """Give another valid value of a setting."""
    if key in OTHER:
        return OTHER[key]
    return not value if isinstance(value, bool) else value + (1 if isinstance(value, int) else 0.1)


@pytest.mark.parametrize("key", FIELDS)
def test_base_says_in_a_comment_what_each_setting_is(key):
    lines = (PARAMS / "base.yaml").read_text(encoding="utf-8").splitlines()
    section, name = key.split(".")
    start = lines.index(f"{section}:")
    (line,) = [line for line in lines[start : start + 16] if line.startswith(f"  {name}: ")][:1]
    words, _, source = line.partition("  # ")[2].rpartition(" (")
    assert words.strip(), line
    assert re.fullmatch(r"[^()]+\)", source), line


def test_settings_are_changed_by_dotted_names_and_never_in_place():
    settings = BASE.settings
    smaller = changed(settings, {"image.size": 32, "training.learning_rate": 1})
    assert (smaller.image.size, settings.image.size) == (32, 512)
    assert smaller.training.learning_rate == 1.0
    with pytest.raises(ValidationError, match="frozen"):
        settings.image.size = 32
    for key in ("image.siez", "imgae.size"):
        with pytest.raises(ValidationError, match="Extra inputs"):
            changed(settings, {key: 32})


def test_settings_come_back_from_a_file_of_a_run():
    settings = arm_on(STUDY.arms["none_tuned"], "last")
    kept = json.loads(json.dumps(settings.model_dump()))
    assert Settings.model_validate(kept) == settings


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0e-9, "1.0e-09"), (True, "true"), ("none", "none"), ([64, 64], "[64, 64]"), ("", "''")],
)
def test_values_are_written_as_in_yaml(value, text):
    assert written(value) == text


def test_references_are_no_arms():
    assert "perfect_gap_25".startswith(REFERENCES)
    assert not any(arm.startswith(REFERENCES) for arm in STUDY.arms)


# What names a run's folder ------------------------------------------------------------------


def test_relevant_settings_of_two_runs():
    # The name of every published run hangs on these: whoever changes them renames its folder.
    assert relevant(STUDY.arms["none"], "last") == {
        "split.test_share": 0.2,
        "split.validation_share": 0.1,
        "image.size": 128,
        "model.network": "unet",
        "model.filters": 16,
        "model.depth": 4,
        "model.dropout": 0.1,
        "training.target": "mask",
        "training.optimiser": "sgd",
        "training.momentum": 0.99,
        "training.learning_rate": 0.001,
        "training.batch": 1,
        "training.epochs": 26,
        "training.patience": 5,
        "evaluation.threshold": 0.5,
        "evaluation.examples": 3,
    }
    assert relevant(STUDY.arms["gap_weighted_25"], "01to02") == {
        "split.validation_share": 0.1,
        "image.size": 128,
        "image.normalise": "frame",
        "model.network": "unet",
        "model.filters": 16,
        "model.depth": 4,
        "model.normalisation": "batch",
        "model.dropout": 0.1,
        "augmentation.method": "online",
        "augmentation.rigid": True,
        "augmentation.elastic": True,
        "augmentation.grey": True,
        "augmentation.online_scale": 0.1,
        "augmentation.elastic_sigma": 10.0,
        "augmentation.grey_sigma": 0.1,
        "weight_map.terms": "both",
        "weight_map.w0": 10.0,
        "weight_map.sigma": 25.0,
        "training.target": "gap",
        "training.optimiser": "adam",
        "training.learning_rate": 0.001,
        "training.schedule": "cosine",
        "training.batch": 4,
        "training.updates": 800,
        "training.epoch_updates": 50,
        "evaluation.threshold": 0.5,
        "evaluation.examples": 3,
    }


def test_relevant_settings_are_the_same_however_a_number_is_written():
    whole = changed(BASE.settings, {"weight_map.terms": "both", "weight_map.sigma": 5})
    parted = changed(BASE.settings, {"weight_map.terms": "both", "weight_map.sigma": 5.0})
    texts = {json.dumps(relevant(each, "last"), sort_keys=True) for each in (whole, parted)}
    assert len({hashlib.sha256(text.encode()).hexdigest() for text in texts}) == 1


@given(
    key=st.sampled_from(sorted(FIELDS)),
    arm=st.sampled_from(sorted(STUDY.arms)),
    fold=st.sampled_from(FOLDS),
)
def test_a_setting_is_relevant_where_it_changes_something(key, arm, fold):
    settings = arm_on(STUDY.arms[arm], fold)
    values = dotted(settings)
    fresh = changed(settings, {key: other(key, values[key])})
    ignored = ("data.", "grid.", "evaluation.resamples", "evaluation.block")
    matters = has_effect(key, values | {"fold": fold}) and not key.startswith(ignored)
    same = relevant(fresh, fold) == relevant(settings, fold)
    assert same == (not matters or dotted(fresh)[key] == values[key])


def test_the_rate_of_another_fold_does_not_matter():
    rates = {"last": 0.1, "01to02": 0.2}
    one = changed(BASE.settings, {"training.learning_rate": rates})
    two = changed(BASE.settings, {"training.learning_rate": rates | {"01to02": 0.3}})
    assert relevant(one, "last") == relevant(two, "last")
    assert relevant(one, "01to02") != relevant(two, "01to02")
    assert relevant(one, "last")["training.learning_rate"] == 0.1


def test_tables_of_effects_name_settings_and_allowed_values():
    assert NEEDS.keys() <= FIELDS.keys()
    for key, needs in NEEDS.items():
        needed, _, allowed = needs.partition(": ")
        for value in allowed.split(" or ") if needed != "fold" else ():
            settings = changed(BASE.settings, {needed: yaml.safe_load(value)})
            assert has_effect(key, dotted(settings)), key


def test_values_that_change_nothing_are_values_of_their_settings():
    neutral = {key: field.default for key, field in FIELDS.items() if not field.is_required()}
    assert dotted(changed(BASE.settings, neutral)).items() >= neutral.items()
    assert not neutral.keys() & relevant(changed(BASE.settings, neutral), "last").keys()


def test_no_arm_is_named_in_the_library():
    names = {arm for name in ("base", "study") for arm in load(name).arms if "_" in arm}
    for path in (PARAMS.parent / "lib").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [arm for arm in names if f'"{arm}"' in text and arm != "no_skip"], path
