"""Params files: what is refused and in which words, and what is inherited from where."""

import os
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.files import PARAMS, ROOT
from lib.study import params
from lib.study.params import ParamsError, arm_on, claim_outputs, describe, load
from lib.study.schema import FIELDS, dotted

PROFILES = ("base", "smoke", "quick", "study", "full_size")
LOADED = {name: load(name) for name in PROFILES}
BASE = dotted(LOADED["base"].settings)

# A fault, and what the line about it says: the key, the value, the cure.
BAD = {
    "misspelt key": ("image: {siez: 64}", "image.siez", "64", "did you mean image.size?"),
    "misspelt section": ("imgae: {size: 64}", "imgae.size", "64", "did you mean image.size?"),
    "wrong section": ("image: {batch: 4}", "image.batch", "4", "did you mean training.batch?"),
    "no section": ("size: 64", "size:", "64", "did you mean image.size?"),
    "misspelt key of an arm": (
        "arms: {none: {training.update: 7}}",
        "arms.none.training.update:",
        "7",
        "did you mean training.updates?",
    ),
    "misspelt card of an arm": ("arms: {none: {abuot: x}}", "arms.none.abuot", "mean about?"),
    "section without keys": ("image: 64", "image:", "64", "did you mean image.size?"),
    "word for a number": (
        "image: {size: big}",
        "image.size",
        "'big'",
        "from 16 to 1024 (px of the longer side",
    ),
    "fraction for a whole number": ("image: {size: 64.5}", "image.size", "64.5", "a whole number"),
    "nothing for a number": ("image: {size: }", "image.size", "None", "a whole number"),
    "list for a number": ("image: {size: [64]}", "image.size", "[64]", "a whole number"),
    "number for text": ("data: {folder: 7}", "data.folder", "7", "has to be text"),
    "name of a data set": ("data: {name: ../x}", "data.name", "'../x'", "letters, digits"),
    "number for a flag": ("augmentation: {rigid: 1}", "augmentation.rigid", "1", "true or false"),
    "1e3 for updates": ("training: {updates: 1e3}", "training.updates", "1000.0", "a whole"),
    "quoted number": ("image: {size: '64'}", "image.size", "'64'", "has to be a whole number"),
    "quoted rate": (
        "training: {learning_rate: {last: '1e-3'}}",
        "training.learning_rate",
        "'1e-3' in {'last': '1e-3'}",
        "has to be a number from",
    ),
    "flag for a whole number": ("training: {batch: true}", "training.batch", "True", "a whole"),
    "flag for a number": ("model: {dropout: false}", "model.dropout", "False", "a number"),
    "flag for a rate": (
        "training: {learning_rate: true}",
        "training.learning_rate",
        "True",
        "a number from 1e-09 to 10.0 (or one a fold",
    ),
    "too small": ("image: {size: 8}", "image.size", "8", "from 16 to 1024 (px"),
    "too large": ("training: {momentum: 1.0}", "training.momentum", "1.0", "from 0.0 to 0.999"),
    "not a number": ("training: {momentum: .nan}", "training.momentum", "nan", "a number from"),
    "infinite": ("training: {learning_rate: .inf}", "training.learning_rate", "inf", "to 10.0"),
    "far too large": (f"image: {{size: 1{'0' * 400}}}", "image.size", "000", "to 1024 (px"),
    "no rate at all": ("training: {learning_rate: {}}", "training.learning_rate", "{}", "a number"),
    "rate of an unknown fold": (
        "training: {learning_rate: {first: 0.1}}",
        "training.learning_rate",
        "'first' in {'first': 0.1}",
        "has to be last, random or two videos as in 01to02",
    ),
    "too many seeds": ("grid: {seeds: {last: 21}}", "grid.seeds", "21 in", "from 1 to 20 (runs"),
    "unknown choice": ("training: {optimiser: adma}", "training.optimiser", "'adma'", "'adam'"),
    "unknown fold": ("grid: {seeds: {first: 1}}", "grid.seeds", "'first'", "last, random or two"),
    "a video without the other": ("grid: {seeds: {01to01: 1}}", "'01to01'", "as in 01to02"),
    "number for a fold": ("grid: {seeds: {1: 1}}", "grid.seeds", "1 in {1: 1}", "has to be last"),
    "no mapping": ("grid: {seeds: 3}", "grid.seeds", "3", "as in {last: 1}"),
    "empty mapping": ("grid: {seeds: {}}", "grid.seeds", "{}", "as in {last: 1}"),
    "no list": ("grid: {arms: none}", "grid.arms", "'none'", "has to be a list"),
    "empty list": ("grid: {arms: []}", "grid.arms", "[]", "has to be a list"),
    "one number for two": ("data: {phantom_size: 64}", "phantom_size", "64", "rows and columns"),
    "three numbers": ("data: {phantom_size: [64, 64, 64]}", "phantom_size", "rows and columns"),
    "quoted in a list": ("data: {phantom_size: [64, '64']}", "phantom_size", "'64' in [64, '64']"),
    "number for an arm": ("grid: {arms: [1]}", "grid.arms", "[1]", "has to be text"),
    "unknown arm": ("grid: {arms: [nonne]}", "grid.arms", "'nonne'", "did you mean none?"),
    "arm that inherits itself": (
        "arms: {a: {inherits: a}}",
        "arms.a.inherits",
        "'a' is no arm that stands above it",
    ),
    "arm that inherits no arm": (
        "arms: {a: {inherits: rigd}}",
        "arms.a.inherits",
        "'rigd'",
        "did you mean rigid?",
    ),
    "arms that inherit each other": (
        "arms: {a: {inherits: b}, b: {inherits: a}}",
        "arms.a.inherits",
        "'b' is no arm that stands above it",
    ),
    "arm that inherits a number": ("arms: {a: {inherits: 7}}", "arms.a.inherits", "7", "text"),
    "arm that inherits a list": ("arms: {a: {inherits: [none]}}", "arms.a.inherits", "['none']"),
    "fault of an arm that all inherit": (
        "arms: {none: {inherits: x}}",
        "arms.none.inherits",
        "'x'",
    ),
    "arm without settings": ("arms: {a: }", "arms.a", "None", "has to be a mapping"),
    "arm of the first edition without settings": ("arms: {none_1e-3: 7}", "7 has to be a mapping"),
    "arms in a list": ("arms: [a]", "arms", "['a']", "has to map names to settings"),
    "name of an arm": ("arms: {a/b: {inherits: none}}", "arms", "'a/b'", "letters, digits"),
    "hidden folder": ("arms: {.a: {inherits: none}}", "arms", "'.a'", "letters, digits"),
    "long name of an arm": (f"arms: {{{'a' * 300}: {{inherits: none}}}}", "'aaa", "at most 60"),
    "no as a name": ("arms: {no: {inherits: none}}", "arms.False", "as YAML reads no", "quotes"),
    "number as a name": ("arms: {7: {inherits: none}}", "arms.7", "7 is no text", "quotes"),
    "names apart by case": (
        "arms: {Gap: {inherits: none}}",
        "arms.Gap",
        "'Gap' and 'gap' differ by case only",
        "another name",
    ),
    "names of new arms apart by case": (
        "arms: {mine: {inherits: none}, MINE: {inherits: none}}",
        "arms.MINE",
        "'MINE' and 'mine'",
    ),
    "colour without quotes": ("arms: {none: {colour: #d55e00\n}}", "arms.none.colour", "in quotes"),
    "colour by name": ("arms: {none: {colour: red}}", "arms.none.colour", "'red'", '"#d55e00"'),
    "mapping for words": ("arms: {none: {about: {a: b}}}", "arms.none.about", "has to be text"),
    "setting of the profile in an arm": (
        "arms: {none: {grid.arms: [none]}}",
        "arms.none.grid.arms",
        "['none']",
        "cannot differ between arms; set it for the whole profile",
    ),
    "measure of the profile in an arm": (
        "arms: {gap: {evaluation.threshold: 0.4}}",
        "arms.gap.evaluation.threshold",
        "0.4",
        "cannot differ between arms",
    ),
    "unknown fold of an arm": (
        "arms: {none: {grid.seeds: {first: 1}}}",
        "arms.none.grid.seeds",
        "'first'",
        "has to be last",
    ),
    "arm without a fold": ("arms: {none: {grid.seeds: {}}}", "arms.none.grid.seeds", "{last: 1}"),
    "unknown target": ("training: {target: gaps}", "training.target", "'gaps'", "'gap'"),
    "unknown network": ("arms: {aspp: {model.network: aspq}}", "model.network", "'aspp'"),
    "dropout and depth": (
        "model: {dropout: 0.25, depth: 6}",
        "model.dropout",
        "0.25 times 4",
        "model.depth 6 is not below 1",
    ),
    "size and depth": ("image: {size: 100}", "image.size", "100", "2^model.depth = 16"),
    "cosine without updates": (
        "arms: {none_tuned: {training.updates: 0}}",
        "training.schedule",
        "'cosine'",
        "training.updates",
        "(arm none_tuned, augmented_tuned, gap, gap_weighted, no_skip)",
    ),
    "online without changes": (
        "arms: {none: {augmentation.method: online}}",
        "augmentation.method",
        "'online'",
        "needs rigid, elastic or grey",
        "(arm none)",
    ),
    "changes without online": (
        "arms: {none_tuned: {augmentation.grey: true}}",
        "augmentation.grey",
        "true",
        "augmentation.method: online",
    ),
    "fold without a rate": (
        "training: {learning_rate: {last: 0.1}}\ngrid: {arms: [none], seeds: {last: 1, 02to01: 1}}",
        "training.learning_rate",
        "{last: 0.1}",
        "has no rate for the fold 02to01",
        "(arm none)",
    ),
}

# What the first edition had, and what it is called now.
RENAMED = {
    "specification": ("image: {size: {value: 64, range: [1, 9]}}", "edition; write image.size: 64"),
    "specification of a mapping": (
        "grid: {seeds: {value: {last: 3}}}",
        "write grid.seeds: {last: 3}",
    ),
    "scan": ("scan: {arm: augmented}", "scan.arm", "evaluation.side: validation"),
    "rates of a scan": ("scan: {learning_rates: [0.1]}", "scan.learning_rates", "[0.1]"),
    "rate of a scan": ("training: {learning_rate: scan}", "training.learning_rate", "'scan'"),
    "rate of an arm's scan": ("arms: {none: {training.learning_rate: scan}}", "one a fold"),
    "folds": ("grid: {folds: [last]}", "grid.folds", "['last']", "write grid.seeds"),
    "folds of an arm": ("arms: {none: {grid.folds: [last]}}", "write grid.seeds"),
    "weights": ("arms: {gap: {weight_map.in_loss: true}}", "write weight_map.terms: both"),
    "mean of the weights": ("training: {average: 0.99}", "training.average", "gone"),
    "margin": ("training: {field: true}", "training.field", "gone"),
    "updates of an arm": ("arms: {none: {training.updates: augmented}}", "'augmented'", "number"),
    "network": ("model: {network: unpadded}", "'unpadded'", "'unet'", "their convolutions pad"),
    "arm that is run": ("grid: {arms: [none_1e-3]}", "'none_1e-3'", "first edition; write none"),
    "arm that is inherited": ("arms: {a: {inherits: repeated_1e-3}}", "arms.a", "write copies"),
    "arm that is changed": ("arms: {known_25_256_constant: {image.size: 512}}", "write best"),
}

# What is no params file at all, as bytes, and what is said of it.
UNREADABLE = {
    "key given twice": (b"inherits: base\nimage: {size: 64, size: 32}", "'size' is given twice"),
    "arm given twice": (b"inherits: base\narms:\n  a: {}\n  a: {}", "line 3: the key 'a' is given"),
    "list": (b"- inherits: base", "has to be a mapping"),
    "empty": (b"", "has to be a mapping"),
    "not UTF-8": ("inherits: base # café".encode("latin-1"), "UTF-8"),
    "zeros": (b"\0\0\0\0", "cannot be read as YAML"),
    "not YAML": (b"inherits: base\nimage: {size: 64", "as YAML in UTF-8: line 3: did not find"),
    "no such date": (
        b"inherits: base\nimage: {size: 2024-99-99}",
        "cannot be read as YAML in UTF-8: month",
    ),
    "number beyond Python": (b"image: {size: 1" + b"0" * 5000 + b"}", "cannot be read as YAML"),
    "nested without end": (b"a: " + b"[" * 5000, "cannot be read as YAML"),
    "wrong tag": (b"inherits: base\nimage: !!map 64", "cannot be read as YAML in UTF-8"),
    "no parent": (b"image: {size: 64}", "inherits: None has to name a params file"),
    "number for a parent": (b"inherits: 7", "inherits: 7 has to name a params file"),
    "unknown parent": (b"inherits: qiuck", "inherits: 'qiuck' is no params file; did you mean qui"),
    "itself": (b"inherits: mine", "inherits: 'mine' inherits itself"),
}


def write(folder, text, name="mine", parent="base"):
    path = folder / f"{name}.yaml"
    path.write_text(f"inherits: {parent}\n{text}\n", encoding="utf-8")
    return path


def refusal(path):
    with pytest.raises(ParamsError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("fault", [*BAD, *RENAMED])
def test_bad_setting_is_named_with_file_key_value_and_cure(tmp_path, fault):
    text, *parts = (BAD | RENAMED)[fault]
    path = write(tmp_path, text)
    lines = [line.partition(f"{path.as_posix()}: ") for line in refusal(path).splitlines()]
    assert len(lines) == len(set(lines))
    assert not any(before for before, _, _ in lines)
    assert any(all(part in line for part in parts) for _, _, line in lines), lines


@pytest.mark.parametrize("fault", UNREADABLE)
def test_file_that_is_no_params_file(tmp_path, fault):
    content, part = UNREADABLE[fault]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path.as_posix()}: ")
    assert part in message
    assert "\n" not in message


def test_all_faults_at_once(tmp_path):
    text = """
image: {size: 8, siez: 64}
modle: {depth: 3}
grid: {seeds: {last: 99}, arms: [nonne, none]}
arms:
  none: {training.batch: true, augmentation.method: online}
  a: {inherits: b}
  .c: {colour: red}
"""
    keys = ["image.size", "image.siez", "modle.depth", "grid.seeds", "grid.arms"]
    keys += ["arms.none.training.batch", "augmentation.method", "arms.a.inherits", "arms..c"]
    lines = refusal(write(tmp_path, text)).splitlines()
    for key in [*keys, "arms..c.colour"]:
        assert sum(f" {key}: " in line for line in lines) == 1, key
    assert len(lines) == 10


def test_faults_of_a_parent_and_of_its_child_name_their_own_file(tmp_path):
    parent = write(tmp_path, "image: {size: 8}", name="parent")
    child = write(tmp_path, "model: {depth: 9}", parent="parent")
    lines = refusal(child).splitlines()
    assert [line.split(":")[0] for line in lines] == [parent.as_posix(), child.as_posix()]


def test_python_in_a_file_is_not_run(tmp_path):
    made = tmp_path / "made"
    path = write(tmp_path, f"image: {{size: !!python/object/apply:os.mkdir ['{made}']}}")
    assert "python/object/apply:os.mkdir" in refusal(path)
    assert not made.exists()


def test_files_that_inherit_each_other(tmp_path):
    write(tmp_path, "", name="other", parent="mine")
    assert "'mine' inherits itself" in refusal(write(tmp_path, "", parent="other"))


def test_missing_file_and_folder(tmp_path):
    assert "no_such.yaml: cannot be read" in refusal(tmp_path / "no_such.yaml")
    assert "params/no_such.yaml: cannot be read" in refusal("no_such")
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "folder.yaml: cannot be read" in refusal(folder)


def test_base_without_a_setting_says_which(tmp_path, monkeypatch):
    text = (PARAMS / "base.yaml").read_text(encoding="utf-8")
    (tmp_path / "base.yaml").write_text(text.replace("  patience: 5 ", "  # "), encoding="utf-8")
    monkeypatch.setattr("lib.study.params.PARAMS", tmp_path)
    assert refusal(tmp_path / "base.yaml").endswith("base.yaml: training.patience: is missing")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()
)


@given(key=st.sampled_from(sorted(FIELDS)), value=VALUES | st.lists(VALUES, max_size=3))
@settings(max_examples=30, deadline=None)
def test_any_value_is_taken_as_it_is_or_refused_by_name(tmp_path_factory, key, value):
    section, name = key.split(".")
    path = write(tmp_path_factory.getbasetemp(), yaml.safe_dump({section: {name: value}}))
    try:
        taken, words = dotted(load(path).settings)[key] == value, ""
    except ParamsError as error:
        taken, words = False, str(error)
    assert taken or key in words


@given(key=st.sampled_from(sorted(FIELDS)), place=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_a_letter_left_out_is_put_right(tmp_path_factory, key, place):
    section, name = key.split(".")
    place %= len(name)
    misspelt = name[:place] + name[place + 1 :]
    path = write(tmp_path_factory.getbasetemp(), yaml.safe_dump({section: {misspelt: 1}}))
    assert f"{section}.{misspelt}: unknown key (value 1); did you mean {key}?" in refusal(path)


# What is inherited --------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_shipped_files_load_and_say_nothing_in_vain(name):
    profile = LOADED[name]
    assert profile.name == name
    assert set(profile.settings.grid.arms) <= profile.arms.keys() == profile.cards.keys()
    assert profile.warnings == []
    for arm in profile.settings.grid.arms:
        card = profile.cards[arm]
        assert card.words, arm
        assert card.question, arm
        assert card.about or not card.inherits, arm


def test_every_params_file_is_known():
    assert {path.stem for path in PARAMS.glob("*.yaml")} - {"claims", "renamed"} == set(PROFILES)


def test_base_keeps_its_own_rules(tmp_path):
    sections = yaml.safe_load((PARAMS / "base.yaml").read_text(encoding="utf-8"))
    arms = sections.pop("arms")
    profile = load(write(tmp_path, yaml.safe_dump(sections)))
    assert dotted(profile.settings) == BASE
    assert profile.arms.keys() == arms.keys()


def test_renamed_arms_are_no_arms_and_lead_to_some():
    names = set().union(*(profile.arms for profile in LOADED.values()))
    table = yaml.safe_load((PARAMS / "renamed.yaml").read_text(encoding="utf-8"))
    assert not table.keys() & {*names, *FIELDS}
    for name, words in table.items():
        if "." in name or name == "scan":
            continue
        written = words.replace(",", "").split()
        assert words.startswith("gone") or names & set(written), name


def test_child_before_parent_before_base(tmp_path):
    write(tmp_path, "image: {size: 64}\nmodel: {filters: 8}", name="parent")
    profile = load(write(tmp_path, "image: {size: 32}\ntraining:", parent="parent"))
    assert profile.settings.image.size == 32
    assert profile.settings.model.filters == 8
    assert profile.settings.model.depth == BASE["model.depth"]
    assert profile.name == "mine"
    rows = {row["setting"]: row for row in describe(profile)}
    assert list(rows) == list(FIELDS)
    for key, value, words, source, file in (
        ("image.size", "32", "px of the ", "this study (report, section 3: 512)", "mine.yaml"),
        ("model.filters", "8", "channels", "this study (U-Net paper, figure 1: 64)", "parent.yaml"),
        ("model.depth", "4", "how often", "U-Net paper, figure 1", "base.yaml"),
        ("grid.seeds", "{last: 1}", "runs a fold: last, the", "ours", "base.yaml"),
        ("data.phantom_size", "[512, 512]", "rows and col", "report, section 3", "base.yaml"),
        ("augmentation.rigid", "false", "online: any", "U-Net paper, section 3.1", "base.yaml"),
        ("training.learning_rate", "0.001", "or one a fold, as in {l", "ours", "base.yaml"),
    ):
        expected = {"setting": key, "value": value, "source": source, "set in": file}
        assert rows[key].items() >= expected.items()
        assert rows[key]["what it is"].startswith(words)
        assert not rows[key]["what it is"].endswith(")")


def test_parent_beside_the_file_before_one_of_the_project(tmp_path):
    write(tmp_path, "image: {size: 32}", name="smoke")
    profile = load(write(tmp_path, "", parent="smoke"))
    assert profile.settings.image.size == 32
    assert profile.settings.data.source == "auto"


def test_arm_before_its_parents_before_the_profile(tmp_path):
    text = """
training: {batch: 2, patience: 9}
arms:
  none_tuned: {training.batch: 3}
  mine: {inherits: augmented_tuned, training.momentum: 0.5}
"""
    profile = load(write(tmp_path, text))
    batches = {name: profile.arms[name].training.batch for name in ("none", "none_tuned", "mine")}
    assert batches == {"none": 2, "none_tuned": 3, "mine": 3}
    mine = profile.arms["mine"]
    assert mine.training.momentum == 0.5
    assert mine.augmentation.method == "static"
    assert mine.training.optimiser == "adam"
    assert mine.training.patience == 9
    assert profile.arms["none_tuned"].training.momentum == 0.99


def test_arm_of_a_parent_file_is_changed_and_not_replaced(tmp_path):
    profile, base = (
        load(write(tmp_path, "arms: {none_tuned: {training.updates: 5}}")),
        LOADED["base"],
    )
    changed = dotted(base.arms["none_tuned"]) | {"training.updates": 5}
    assert dotted(profile.arms["none_tuned"]) == changed
    assert profile.cards == base.cards


def test_an_arm_may_write_its_sections(tmp_path):
    text = "arms: {mine: {inherits: none, training: {batch: 2}, training.epochs: 3}}"
    training = load(write(tmp_path, text)).arms["mine"].training
    assert (training.batch, training.epochs) == (2, 3)


def test_new_arm_is_run_without_being_listed(tmp_path):
    text = "arms: {mine: {about: Six copies, inherits: augmented, augmentation.copies: 6}}"
    profile = load(write(tmp_path, text))
    assert profile.settings.grid.arms == [*BASE["grid.arms"], "mine"]
    assert profile.arms["mine"].augmentation.copies == 6
    assert profile.cards["mine"].about == "Six copies"
    assert profile.cards["mine"].group == "mine"
    listed = load(write(tmp_path, f"grid: {{arms: [none]}}\n{text}"))
    assert listed.settings.grid.arms == ["none", "mine"]
    write(tmp_path, "arms: {theirs: {inherits: none}}", name="parent")
    text = "grid: {arms: [none]}\narms: {mine: {inherits: theirs}}"
    relisted = load(write(tmp_path, text, parent="parent"))
    assert relisted.settings.grid.arms == ["none", "mine"]


def test_an_arm_that_is_listed_twice_is_run_once(tmp_path):
    profile = load(write(tmp_path, "grid: {arms: [none, rigid, none]}"))
    assert profile.settings.grid.arms == ["none", "rigid"]


def test_a_number_may_be_written_with_an_exponent_alone(tmp_path):
    text = "training: {learning_rate: 1e-3}\narms: {none: {training.learning_rate: {last: 1E-4}}}"
    profile = load(write(tmp_path, text))
    assert profile.settings.training.learning_rate == 0.001
    assert profile.arms["none"].training.learning_rate == {"last": 0.0001}


def test_arm_of_base_that_is_not_listed_is_not_run(tmp_path):
    assert "class_weighted" in LOADED["base"].arms
    profile = load(write(tmp_path, "grid: {arms: [none]}\narms: {rigid: {training.batch: 2}}"))
    assert profile.arms["rigid"].training.batch == 2
    assert profile.settings.grid.arms == ["none"]


def test_arm_has_the_seeds_of_the_profile_or_its_own_or_those_of_its_parent(tmp_path):
    text = """
grid: {seeds: {last: 1, random: 2}}
arms:
  none_tuned: {grid.seeds: {01to02: 3}}
  rigid: {grid.seeds: {random: 1, 02to01: 1}}
"""
    arms = load(write(tmp_path, text)).arms
    seeds = {name: arm.grid.seeds for name, arm in arms.items()}
    assert seeds["augmented"] == {"last": 1, "random": 2}
    assert seeds["none_tuned"] == seeds["augmented_tuned"] == seeds["elastic"] == {"01to02": 3}
    assert seeds["rigid"] == seeds["aspp"] == {"random": 1, "02to01": 1}


def test_rate_of_an_arm_is_that_of_the_fold(tmp_path):
    text = """
grid: {arms: [mine]}
arms:
  mine: {inherits: none, grid.seeds: {last: 1}, training.learning_rate: {last: 1, 01to02: 0.5}}
"""
    mine = load(write(tmp_path, text)).arms["mine"]
    assert arm_on(mine, "last").training.learning_rate == 1.0
    assert arm_on(mine, "01to02").training.learning_rate == 0.5
    assert arm_on(arm_on(mine, "last"), "01to02").training.learning_rate == 1.0
    with pytest.raises(ParamsError, match="no rate for the fold random"):
        arm_on(mine, "random")


@pytest.mark.parametrize(
    ("arm", "against", "differing"),
    [
        ("augmented", "none", {"augmentation.method"}),
        ("none_long", "none", {"training.patience"}),
        ("copies", "augmented", {"augmentation.method"}),
        ("augmented_tuned", "none_tuned", {"augmentation.method"}),
        ("rigid", "none_tuned", {"augmentation.method", "augmentation.rigid"}),
        ("elastic", "none_tuned", {"augmentation.method", "augmentation.elastic"}),
        ("rigid_elastic", "rigid", {"augmentation.elastic", "augmentation.grey"}),
        ("gap", "rigid_elastic", {"training.target"}),
        ("gap_weighted", "gap", {"weight_map.terms"}),
        ("class_weighted", "gap", {"weight_map.terms"}),
        ("border_weighted", "gap", {"weight_map.terms"}),
        ("mask_weighted", "rigid_elastic", {"weight_map.terms"}),
        ("mask_weighted", "gap_weighted", {"training.target"}),
        ("gap_weighted_25", "gap_weighted", {"weight_map.sigma"}),
        ("border", "rigid_elastic", {"training.target"}),
        ("distance", "rigid_elastic", {"training.target"}),
        ("no_skip", "rigid_elastic", {"model.network"}),
        ("aspp", "rigid_elastic", {"model.network"}),
    ],
)
def test_arms_that_are_compared_differ_in_one_thing(arm, against, differing):
    for name in ("base", "smoke", "quick"):
        arms = LOADED[name].arms
        one, other = dotted(arms[arm]), dotted(arms[against])
        assert {key for key in FIELDS if one[key] != other[key]} == differing


# Words and warnings -------------------------------------------------------------------------


def test_arm_without_about_gets_its_difference_from_its_parent(tmp_path):
    text = """
arms:
  mine: {inherits: gap, training.batch: 8, augmentation.grey: false}
  same: {inherits: gap, grid.seeds: {last: 2}}
  own: {training.batch: 2, words: "<b>bold</b>"}
"""
    cards = load(write(tmp_path, text)).cards
    about = "as gap, training.batch 4 -> 8, augmentation.grey true -> false"
    assert cards["mine"].about == about
    assert cards["same"].about == "as gap"
    assert cards["own"].about == ""
    assert cards["own"].words == "<b>bold</b>"


IDLE = {
    "arms: {none: {augmentation.rotation: 5}}": "augmentation.method: static",
    "arms: {gap: {weight_map.sigma: 5.0}}": "weight_map.terms: border or both",
    "arms: {none_tuned: {training.momentum: 0.5}}": "training.optimiser: sgd",
    "arms: {none_tuned: {training.epochs: 5}}": "training.updates: 0",
    "grid: {arms: [none_tuned]}\ntraining: {patience: 3}": "training.updates: 0",
    "split: {seed: 3}": "fold: random",
    "grid: {seeds: {01to02: 1}}\nsplit: {test_share: 0.3}": "fold: last or random",
    "data: {source: phantom, folder: x}": "data.source: auto or folder",
}


@pytest.mark.parametrize("text", IDLE)
def test_a_setting_without_effect_is_said(tmp_path, text):
    path = write(tmp_path, text)
    (warning,) = load(path).warnings
    assert warning.startswith(f"{path.as_posix()}: ")
    assert warning.endswith(f": has no effect; it would need {IDLE[text]}")


def test_a_setting_with_an_effect_on_one_arm_is_not_said(tmp_path):
    text = "augmentation: {rotation: 5}\ntraining: {momentum: 0.5}\narms: {none: {about: x}}"
    assert load(write(tmp_path, text)).warnings == []


# Names and outputs --------------------------------------------------------------------------


def test_outputs_are_named_after_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "OUTPUTS", tmp_path)
    assert load(write(tmp_path, "")).outputs == tmp_path / "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.yaml"]


@pytest.mark.parametrize("name", ["all_foreground", "silver_truth", "perfect_gap_5"])
def test_arm_with_the_name_of_another_result(tmp_path, name):
    file = write(tmp_path, f"arms: {{{name}: {{inherits: none}}}}")
    assert f"'{name}' names what is no network; give it another name" in refusal(file)


@pytest.mark.parametrize("name", ["my lib.yaml", "a$(touch x).yaml", ".yaml", "-x.yaml", "x.yml"])
def test_a_name_that_would_not_be_a_folder_of_its_own_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("inherits: quick\n", encoding="utf-8")
    with pytest.raises(ParamsError, match="write it as params/mine.yaml"):
        load(path)


@pytest.mark.parametrize("name", ["", ".", "params/"])
def test_no_name_at_all_is_refused(name):
    with pytest.raises(ParamsError, match=r"is no name of a params file|cannot be read"):
        load(name)


def test_a_file_elsewhere_cannot_write_the_outputs_of_one_in_params(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("inherits: smoke\n", encoding="utf-8")
    with pytest.raises(ParamsError, match="belongs to params/study.yaml"):
        load(path)
    (tmp_path / "mine.yaml").symlink_to(path)
    with pytest.raises(ParamsError, match="belongs to params/study.yaml"):
        load(tmp_path / "mine.yaml")


def test_a_file_at_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "", name="at-home.2")
    assert load("~/at-home.2.yaml").name == "at-home.2"


def test_outputs_belong_to_the_first_file_of_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write(folder, "")
    early = load(second / "mine.yaml")
    claim_outputs(load(first / "mine.yaml"))
    claim_outputs(load(first / "mine.yaml"))
    with pytest.raises(ParamsError, match="belongs to"):
        claim_outputs(early)
    claim_outputs(load("smoke"))
    assert not (tmp_path / "outputs/smoke").exists()  # no other file can have the name
    message = refusal(second / "mine.yaml")
    assert "give the file another name or" in message
    assert message.startswith(f"{second / 'mine.yaml'}: would write outputs/mine")
    assert f"belongs to {first / 'mine.yaml'};" in message
    record = tmp_path / "outputs/mine/.params"
    assert message.endswith(f"delete {record}")
    record.unlink()
    claim_outputs(load(second / "mine.yaml"))
    assert record.read_text() == f"{second / 'mine.yaml'}\n"


def test_reading_params_loads_nothing_that_takes_long():
    code = "import sys; from lib.study.params import load; load('smoke'); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"keras", "tensorflow", "matplotlib", "pandas", "scipy"} & set(words)
