"""Params files: what is refused and in which words, and what is inherited from where."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import params
from lib.params import ParamsError, describe, load
from lib.paths import PARAMS

BASE = yaml.safe_load((PARAMS / "base.yaml").read_text(encoding="utf-8"))
SPECS = {
    f"{section}.{key}": spec
    for section, keys in BASE.items()
    if section != "arms"
    for key, spec in keys.items()
}

# A fault, and what the line about it says: the key, the value, the remedy.
BAD = {
    "misspelt key": ("image: {siez: 64}", "image.siez", "64", "did you mean image.size?"),
    "misspelt section": ("imgae: {size: 64}", "imgae.size", "64", "did you mean image.size?"),
    "misspelt key of an arm": (
        "arms: {none: {training.update: 7}}",
        "arms.none: training.update:",
        "7",
        "did you mean training.updates?",
    ),
    "section without keys": ("image: 64", "image:", "64", "did you mean image.size?"),
    "word for a number": ("image: {size: big}", "image.size", "'big'", "from 16 to 1024 px"),
    "fraction for a whole number": ("image: {size: 64.5}", "image.size", "64.5", "a whole number"),
    "nothing for a number": ("image: {size: }", "image.size", "None", "a whole number"),
    "list for a number": ("image: {size: [64]}", "image.size", "[64]", "a whole number"),
    "number for text": ("data: {folder: 7}", "data.folder", "7", "has to be text"),
    "number for a flag": ("augmentation: {rigid: 1}", "augmentation.rigid", "1", "true or false"),
    "1e-3": ("training: {learning_rate: 1e-3}", "training.learning_rate", "'1e-3'", "1.0e-3"),
    "1e-3 in a list": ("scan: {learning_rates: [1e-3]}", "scan.learning_rates", "'1e-3'", "1.0e-3"),
    "1e3 for updates": ("training: {updates: 1e3}", "training.updates", "'1e3'", "write 1000"),
    "quoted number": ("image: {size: '64'}", "image.size", "'64'", "write 64"),
    "flag for a whole number": ("training: {batch: true}", "training.batch", "True", "a whole"),
    "flag for a number": ("model: {dropout: false}", "model.dropout", "False", "a number"),
    "flag in a list": ("scan: {learning_rates: [true]}", "scan.learning_rates", "True", "a number"),
    "too small": ("image: {size: 8}", "image.size", "8", "from 16 to 1024 px"),
    "too large": ("training: {momentum: 1.0}", "training.momentum", "1.0", "from 0.0 to 0.999"),
    "not a number": ("training: {momentum: .nan}", "training.momentum", "nan", "a number from"),
    "infinite": ("scan: {learning_rates: [.inf]}", "scan.learning_rates", "inf", "to 10.0"),
    "far too large": (f"image: {{size: 1{'0' * 400}}}", "image.size", "000", "to 1024 px"),
    "too many seeds": ("grid: {seeds: 21}", "grid.seeds", "21", "from 1 to 20"),
    "unknown choice": ("training: {optimiser: adma}", "training.optimiser", "'adma'", "'adam'"),
    "unknown fold": ("grid: {folds: [first]}", "grid.folds", "'first'", "'last'"),
    "no list": ("grid: {folds: last}", "grid.folds", "'last'", "has to be a list"),
    "empty list": ("scan: {learning_rates: []}", "scan.learning_rates", "[]", "has to be a list"),
    "twice in a list": ("grid: {folds: [last, last]}", "grid.folds", "'last'", "twice"),
    "twice, written apart": ("scan: {learning_rates: [1, 1.0]}", "scan.learning_rates", "twice"),
    "number for an arm": ("grid: {arms: [1]}", "grid.arms", "[1]", "has to be text"),
    "unknown arm": ("grid: {arms: [nonne]}", "grid.arms", "'nonne'", "did you mean none?"),
    "unknown arm to scan": ("scan: {arm: augmentd}", "scan.arm", "'augmentd'", "mean augmented?"),
    "updates of no arm": (
        "arms: {none_matched: {training.updates: augmentd}}",
        "training.updates",
        "'augmentd'",
        "did you mean augmented?",
        "(arm none_matched)",
    ),
    "updates of an arm that takes its own from another": (
        "arms: {a: {inherits: none, training.updates: none_matched}}",
        "training.updates",
        "'none_matched'",
        "takes its updates from another arm itself",
    ),
    "arm that inherits itself": ("arms: {a: {inherits: a}}", "arms.a.inherits", "'a'", "itself"),
    "arm that inherits no arm": (
        "arms: {a: {inherits: rigd}}",
        "arms.a.inherits",
        "'rigd'",
        "did you mean rigid?",
    ),
    "arm that inherits a number": ("arms: {a: {inherits: 7}}", "arms.a.inherits", "7", "text"),
    "arm that inherits a list": ("arms: {a: {inherits: [none]}}", "arms.a.inherits", "['none']"),
    "fault of an arm that all inherit": (
        "arms: {none: {inherits: x}}",
        "arms.none.inherits",
        "'x'",
    ),
    "arm without settings": ("arms: {a: }", "arms.a", "has to be a mapping"),
    "arms in a list": ("arms: [a]", "arms", "['a']", "has to map names to settings"),
    "name of an arm": ("arms: {a/b: {inherits: none}}", "arms", "'a/b'", "letters, digits"),
    "setting of the profile in an arm": (
        "arms: {none: {grid.seeds: 2}}",
        "grid.seeds",
        "2",
        "arms",
    ),
    "measure of the profile in an arm": (
        "arms: {gap: {evaluation.threshold: 0.4}}",
        "arms.gap.evaluation.threshold",
        "0.4",
        "cannot differ between arms",
    ),
    "unknown fold of an arm": (
        "arms: {none: {grid.folds: [first]}}",
        "arms.none: grid.folds",
        "'first'",
        "'last'",
    ),
    "arm without a fold": ("arms: {none: {grid.folds: []}}", "arms.none: grid.folds", "a list"),
    "unknown target": ("training: {target: gaps}", "training.target", "'gaps'", "'gap'"),
    "unknown network": ("arms: {aspp: {model.network: aspq}}", "model.network", "'aspp'"),
    "unknown arm to scan for an arm": (
        "arms: {none_tuned: {scan.arm: augmented_tund}}",
        "scan.arm",
        "'augmented_tund'",
        "did you mean augmented_tuned?",
        "(arm none_tuned, augmented_tuned, rigid,",
    ),
    "size and mirror": (
        "image: {size: 96}\nmodel: {network: unpadded}",
        "image.size",
        "96",
        "108 px",
    ),
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
        "(arm none_tuned, augmented_tuned, rigid, elastic, rigid_elastic, gap, gap_weighted, "
        "gap_weighted_25, gap_weighted_known, border, distance, no_skip, aspp)",
    ),
    "online without changes": (
        "arms: {none: {augmentation.method: online}}",
        "augmentation.method",
        "'online'",
        "needs rigid, elastic or grey",
        "(arm none, none_matched, none_tuned)",
    ),
    "changes without online": (
        "arms: {none_tuned: {augmentation.grey: true}}",
        "augmentation.grey",
        "true",
        "augmentation.method: online",
    ),
    "scan without a scanned arm": (
        "arms: {augmented_tuned: {training.learning_rate: 0.1}}",
        "training.learning_rate",
        "'scan'",
        "scan.arm",
        "(arm none_tuned, rigid, elastic,",
    ),
    "fault of an arm whose updates another takes": (
        "training: {learning_rate: 0.1}\ngrid: {arms: [none_matched]}\n"
        "arms: {augmented: {image.size: 100}}",
        "image.size",
        "100",
        "(arm augmented)",
    ),
    "fault of an arm that is only scanned": (
        "grid: {arms: [none]}\narms: {augmented: {image.size: 100}}",
        "image.size",
        "100",
        "(arm augmented)",
    ),
}

# What is no params file at all, as bytes, and what is said of it.
UNREADABLE = {
    "key given twice": (b"inherits: base\nimage: {size: 64, size: 32}", "'size' is given twice"),
    "arm given twice": (b"inherits: base\narms:\n  a: {}\n  a: {}", "'a' is given twice"),
    "list": (b"- inherits: base", "has to be a mapping"),
    "empty": (b"", "has to be a mapping"),
    "not UTF-8": ("inherits: base # café".encode("latin-1"), "UTF-8"),
    "not YAML": (b"inherits: base\nimage: {size: 64", "not valid YAML"),
    "no such date": (b"inherits: base\nimage: {size: 2024-99-99}", "not valid YAML"),
    "wrong tag": (b"inherits: base\nimage: !!map 64", "not valid YAML"),
    "no parent": (b"image: {size: 64}", "inherits: None has to name a params file"),
    "number for a parent": (b"inherits: 7", "inherits: 7 has to name a params file"),
    "unknown parent": (b"inherits: qiuck", "inherits: 'qiuck' is no params file; did you mean qui"),
    "itself": (b"inherits: mine", "inherits: mine inherits itself"),
}


def write(folder, text, name="mine", parent="base"):
    path = folder / f"{name}.yaml"
    path.write_text(f"inherits: {parent}\n{text}\n", encoding="utf-8")
    return path


def refusal(path):
    with pytest.raises(ParamsError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("fault", BAD)
def test_bad_setting_is_named_with_file_key_value_and_remedy(tmp_path, fault):
    text, *parts = BAD[fault]
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


def test_all_faults_at_once(tmp_path):
    text = """
image: {size: 8, siez: 64}
modle: {depth: 3}
grid: {seeds: 99, arms: [nonne]}
arms:
  none: {training.batch: true}
  a: {inherits: b}
"""
    keys = ["image.size", "image.siez", "modle.depth", "grid.seeds", "grid.arms", "training.batch"]
    lines = refusal(write(tmp_path, text)).splitlines()
    for key in [*keys, "arms.a.inherits"]:
        assert sum(f" {key}: " in line for line in lines) == 1, key
    assert len(lines) == 7


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
    assert "mine inherits itself" in refusal(write(tmp_path, "", parent="other"))


def test_missing_file_and_folder(tmp_path):
    assert "no_such.yaml: cannot be read" in refusal(tmp_path / "no_such.yaml")
    assert "params/no_such.yaml: cannot be read" in refusal("no_such")
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "folder.yaml: cannot be read" in refusal(folder)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()
)


@given(key=st.sampled_from(sorted(SPECS)), value=VALUES | st.lists(VALUES, max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_value_is_taken_as_it_is_or_refused_by_name(tmp_path_factory, key, value):
    section, name = key.split(".")
    path = write(tmp_path_factory.getbasetemp(), yaml.safe_dump({section: {name: value}}))
    try:
        taken, words = load(path).settings[key] == value, ""
    except ParamsError as error:
        taken, words = False, str(error)
    assert taken or key in words


@given(key=st.sampled_from(sorted(SPECS)), place=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_a_letter_left_out_is_put_right(tmp_path_factory, key, place):
    section, name = key.split(".")
    place %= len(name)
    misspelt = name[:place] + name[place + 1 :]
    path = write(tmp_path_factory.getbasetemp(), yaml.safe_dump({section: {misspelt: 1}}))
    assert f"{section}.{misspelt}: unknown key (value 1); did you mean {key}?" in refusal(path)


# What is inherited --------------------------------------------------------------------------


def test_shipped_files_load():
    names = {path.stem for path in PARAMS.glob("*.yaml")} - {"claims"}
    assert names >= {"base", "smoke", "quick", "study", "paper"}
    for name in names:
        profile = load(name)
        assert profile.name == name
        parents = {"base": (), "full_size": ("base", "study"), "recipe": ("base", "study")}
        parents["recipe_video"] = ("base", "study", "recipe")
        assert profile.parents == parents.get(name, ("base",))
        assert profile.settings.keys() == SPECS.keys()
        assert set(profile.settings["grid.arms"]) <= profile.arms.keys()


def test_base_keeps_its_own_rules(tmp_path):
    sections = {}
    for key, spec in SPECS.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = spec["value"]
    profile = load(write(tmp_path, yaml.safe_dump(sections)))
    assert profile.settings == load("base").settings


@pytest.mark.parametrize("key", SPECS)
def test_every_setting_says_what_it_is(key):
    spec = SPECS[key]
    words = {"value", "choices", "range", "or", "type", "unit", "role", "origin", "about"}
    assert spec.keys() <= words
    assert spec["role"] in ("scientific", "nuisance", "fixed")
    assert spec["origin"].strip()
    assert spec["about"].strip()
    assert len({"choices", "range", "type"} & spec.keys()) == 1


def test_child_before_parent_before_base(tmp_path):
    write(tmp_path, "image: {size: 64}\nmodel: {filters: 8}", name="parent")
    profile = load(write(tmp_path, "image: {size: 32}", parent="parent"))
    assert profile.settings["image.size"] == 32
    assert profile.settings["model.filters"] == 8
    assert profile.settings["model.depth"] == SPECS["model.depth"]["value"]
    assert profile.name == "mine"
    assert profile.parents == ("base", "parent")
    rows = {row["setting"]: row for row in describe(profile)}
    assert rows.keys() == SPECS.keys()
    for key, value, file in (
        ("image.size", "32", "mine.yaml"),
        ("model.filters", "8", "parent.yaml"),
        ("model.depth", "4", "base.yaml"),
        ("grid.folds", "last", "base.yaml"),
        ("augmentation.rigid", "false", "base.yaml"),
    ):
        assert (rows[key]["value"], rows[key]["set in"]) == (value, file)


def test_parent_beside_the_file_before_one_of_the_project(tmp_path):
    write(tmp_path, "image: {size: 32}", name="smoke")
    profile = load(write(tmp_path, "", parent="smoke"))
    assert profile.settings["image.size"] == 32
    assert profile.settings["data.source"] == "auto"


def test_arm_before_its_parents_before_the_profile(tmp_path):
    text = """
training: {batch: 2, patience: 9}
arms:
  none_tuned: {training.batch: 3}
  mine: {inherits: augmented_tuned, training.momentum: 0.5}
"""
    profile = load(write(tmp_path, text))
    batches = {
        name: profile.arms[name]["training.batch"] for name in ("none", "none_tuned", "mine")
    }
    assert batches == {"none": 2, "none_tuned": 3, "mine": 3}
    mine = profile.arms["mine"]
    assert mine["training.momentum"] == 0.5
    assert mine["augmentation.method"] == "static"
    assert mine["training.optimiser"] == "adam"
    assert mine["training.patience"] == 9
    assert profile.arms["none_tuned"]["training.momentum"] == 0.99
    assert mine.keys() == profile.settings.keys()


def test_arm_of_a_parent_file_is_changed_and_not_replaced(tmp_path):
    profile = load(write(tmp_path, "arms: {none_tuned: {training.updates: 5}}"))
    assert profile.arms["none_tuned"] == load("base").arms["none_tuned"] | {"training.updates": 5}
    assert profile.about == load("base").about


def test_new_arm_is_run_without_being_listed(tmp_path):
    text = "arms: {mine: {about: Six copies, inherits: augmented, augmentation.copies: 6}}"
    profile = load(write(tmp_path, text))
    assert profile.settings["grid.arms"] == [*SPECS["grid.arms"]["value"], "mine"]
    assert profile.arms["mine"]["augmentation.copies"] == 6
    assert profile.about["mine"] == "Six copies"
    listed = load(write(tmp_path, f"grid: {{arms: [none]}}\n{text}"))
    assert listed.settings["grid.arms"] == ["none", "mine"]
    write(tmp_path, "arms: {theirs: {inherits: none}}", name="parent")
    text = "grid: {arms: [none]}\narms: {mine: {inherits: theirs}}"
    relisted = load(write(tmp_path, text, parent="parent"))
    assert relisted.settings["grid.arms"] == ["none", "mine"]


def test_arm_of_base_that_is_not_listed_is_not_run(tmp_path):
    assert set(load("base").settings["grid.arms"]) == set(BASE["arms"])
    profile = load(write(tmp_path, "grid: {arms: [none]}\narms: {rigid: {training.batch: 2}}"))
    assert profile.arms["rigid"]["training.batch"] == 2
    assert profile.settings["grid.arms"] == ["none"]


def test_arm_has_the_folds_of_the_profile_or_its_own_or_those_of_its_parent(tmp_path):
    text = """
grid: {folds: [last, random]}
arms:
  none_tuned: {grid.folds: [01to02]}
  rigid: {grid.folds: [random, 02to01]}
"""
    profile = load(write(tmp_path, text))
    folds = {name: arm["grid.folds"] for name, arm in profile.arms.items()}
    assert folds["augmented"] == profile.settings["grid.folds"] == ["last", "random"]
    assert folds["none_tuned"] == folds["augmented_tuned"] == folds["elastic"] == ["01to02"]
    assert folds["rigid"] == folds["aspp"] == ["random", "02to01"]


def test_scan_of_an_arm_is_its_own_or_that_of_its_parent(tmp_path):
    text = "scan: {updates: 7}\narms: {none_tuned: {scan.learning_rates: [0.5], scan.updates: 9}}"
    arms = load(write(tmp_path, text)).arms
    keys = ("scan.arm", "scan.learning_rates", "scan.updates")
    rates = SPECS["scan.learning_rates"]["value"]
    assert [arms["repeated"][key] for key in keys] == ["augmented", rates, 7]
    assert [arms["gap_weighted"][key] for key in keys] == ["augmented_tuned", [0.5], 9]


@pytest.mark.parametrize(
    ("arm", "against", "differing"),
    [
        ("augmented", "none", {"augmentation.method"}),
        ("none_matched", "none", {"training.updates"}),
        ("repeated", "augmented", {"augmentation.method", "training.updates"}),
        ("augmented_tuned", "none_tuned", {"augmentation.method"}),
        ("rigid", "none_tuned", {"augmentation.method", "augmentation.rigid"}),
        ("elastic", "none_tuned", {"augmentation.method", "augmentation.elastic"}),
        ("rigid_elastic", "rigid", {"augmentation.elastic", "augmentation.grey"}),
        ("gap", "rigid_elastic", {"training.target"}),
        ("gap_weighted", "gap", {"weight_map.in_loss"}),
        ("gap_weighted_25", "gap_weighted", {"weight_map.sigma"}),
        ("gap_weighted_known", "gap_weighted", {"training.unknown"}),
        ("border", "rigid_elastic", {"training.target"}),
        ("distance", "rigid_elastic", {"training.target"}),
        ("no_skip", "rigid_elastic", {"model.network"}),
        ("aspp", "rigid_elastic", {"model.network"}),
    ],
)
@pytest.mark.parametrize("name", ["base", "smoke", "quick", "paper"])
def test_arms_that_are_compared_differ_in_one_thing(name, arm, against, differing):
    arms = load(name).arms
    assert {key for key in SPECS if arms[arm][key] != arms[against][key]} == differing


def test_outputs_are_named_after_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "OUTPUTS", tmp_path)
    assert load(write(tmp_path, "")).outputs == tmp_path / "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.yaml"]


@pytest.mark.parametrize("name", ["all_foreground", "scan_none_1e-03"])
def test_arm_with_the_name_of_another_result(tmp_path, name):
    file = write(tmp_path, f"arms: {{{name}: {{inherits: none}}}}")
    assert f"'{name}' names what is no network, or a trial of the scan" in refusal(file)


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
