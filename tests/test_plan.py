"""The plan: what depends on what, and what is still to be done."""

import json
import math

import pandas as pd
import pytest

from lib import params, plan, scan
from lib.files import StateError
from lib.paths import ROOT
from lib.source import DataError

RECORD = {
    "source": "phantom",
    "label": "phantom, seed 0",
    "shape": [64, 64],
    "frames": {"01": 12, "02": 12},
    "digests": {"images": "a", "silver": "b"},
}
# With a rate of its own no arm waits for the scan, so that the arms' own ties are seen.
NO_SCAN = "training: {learning_rate: 1.0e-2}\n"
FOLDS = ("last", "random")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Load a profile from text; everything that it computes goes below tmp_path."""
    for module in (params, plan):
        monkeypatch.setattr(module, "OUTPUTS", tmp_path / "outputs")

    def load(text="", name="mine", parent="smoke"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"inherits: {parent}\n{text}", encoding="utf-8")
        return params.load(path)

    return load


def planned(profile, record=RECORD):
    return {run.name: run for run in plan.plan(profile, record)}


def changed(before, after):
    """Names of the runs that are to be done again."""
    return {name for name in before if before[name].fingerprint != after[name].fingerprint}


def finish(run, outputs, **columns):
    """Write what a finished run leaves, without training anything."""
    folder = run.folder(outputs)
    folder.mkdir(parents=True)
    for name in plan.RUN_FILES:
        (folder / name).touch()
    (folder / "provenance.json").write_text(json.dumps({"fingerprint": run.fingerprint}))
    history = {"updates": [3, 6], "loss": [0.7, 0.6], "val_loss": [0.7, 0.6]} | columns
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    return folder


# What depends on what -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parent", "text"),
    [
        *[(name, "") for name in ("base", "smoke", "quick", "study", "paper")],
        ("smoke", "grid: {arms: [repeated, none_matched, augmented, none], folds: [last, random]}"),
    ],
)
def test_every_run_comes_after_those_that_it_needs(make, parent, text):
    runs = plan.plan(make(text, parent=parent), RECORD)
    names = [run.name for run in runs]
    assert len(set(names)) == len(names)
    for index, run in enumerate(runs):
        assert set(run.needs) <= set(names[:index])


def test_runs_of_a_profile(make):
    profile = make("grid: {arms: [none, none_matched], folds: [last, random], seeds: 2}")
    runs = planned(profile)
    names = ("scan_augmented_1e-03", "scan_augmented_1e-02")
    trials = {f"{name}/{fold}/seed0" for name in names for fold in FOLDS}
    arms = {
        f"{arm}/{fold}/seed{seed}"
        for arm in ("none", "none_matched", "augmented")
        for fold in FOLDS
        for seed in (0, 1)
    }
    assert runs.keys() == trials | arms
    assert runs["none/last/seed1"].needs == tuple(f"{name}/last/seed0" for name in names)
    assert runs["none_matched/random/seed1"].needs[-1] == "augmented/random/seed1"
    assert {run.name for run in runs.values() if run.side == "validation"} == trials


def test_runs_of_a_seed_come_before_those_of_the_next(make):
    profile = make(
        f"{NO_SCAN}grid: {{arms: [none, none_matched], folds: [last, random], seeds: 3}}"
    )
    runs = plan.plan(profile, RECORD)
    assert [run.seed for run in runs] == [0] * 6 + [1] * 6 + [2] * 6
    first, second, third = ([run.name[:-1] for run in runs if run.seed == n] for n in range(3))
    assert first == second == third
    assert [name.split("/")[1] for name in first] == ["last"] * 3 + ["random"] * 3


def test_arm_is_run_on_its_own_folds_and_what_it_needs_there(make):
    text = "grid: {arms: [none, none_matched], folds: [last, random, 01to02]}\n"
    text += "arms: {none: {grid.folds: [last]}, none_matched: {grid.folds: [random, 02to01]}}"
    runs = planned(make(NO_SCAN + text))
    # 02to01 is none of the profile's folds; on random only the needed arm is added.
    assert list(runs) == ["none/last/seed0", "augmented/random/seed0", "none_matched/random/seed0"]
    scanned = planned(make(text))
    trials = {run.fold for run in scanned.values() if run.side == "validation"}
    assert trials == {"last", "random"}


def test_arms_of_a_group_share_the_trials_of_their_scan(make):
    runs = planned(make())
    trials = {
        "augmented": ("scan_augmented_1e-03/last/seed0", "scan_augmented_1e-02/last/seed0"),
        "augmented_tuned": ("scan_augmented_tuned_3e-03/last/seed0",),
    }
    assert {name for name, run in runs.items() if run.side != "test"} == set(
        sum(trials.values(), ())
    )
    for arm in ("none", "augmented", "none_matched"):
        assert runs[f"{arm}/last/seed0"].needs[:2] == trials["augmented"]
    for arm in ("none_tuned", "augmented_tuned", "gap_weighted", "border", "aspp"):
        assert runs[f"{arm}/last/seed0"].needs == trials["augmented_tuned"]
    trial = runs["scan_augmented_tuned_3e-03/last/seed0"].settings
    arm = make().arms["augmented_tuned"]
    assert {key for key in trial if trial[key] != arm[key]} == {
        "training.learning_rate",
        "training.updates",
        "training.epoch_updates",
    }
    assert [trial[f"training.{key}"] for key in ("updates", "epoch_updates")] == [4, 1]


def test_rates_that_round_to_the_same_have_trials_of_their_own(make):
    profile = make("scan: {learning_rates: [1.4e-3, 1, 1.2e-3]}\ngrid: {arms: [none]}")
    trials = [run for run in planned(profile).values() if run.side != "test"]
    assert [run.settings["training.learning_rate"] for run in trials] == [1.2e-3, 1.4e-3, 1]
    assert trials[0].arm == "scan_augmented_1.2e-03"


def test_arm_with_a_rate_of_its_own_waits_for_no_scan(make):
    runs = planned(make(NO_SCAN))
    assert not any(run.arm.startswith("scan") for run in runs.values())
    assert runs["none/last/seed0"].needs == ()


# What a change does again -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arms"),
    [
        (
            "arms: {none_tuned: {training.momentum: 0.5}}",
            {"none_tuned", "augmented_tuned", "gap_weighted", "border", "aspp"},
        ),
        ("arms: {augmented_tuned: {augmentation.copies: 2}}", {"augmented_tuned"}),
        # What takes its number of updates from an arm is done again with it.
        ("arms: {augmented: {augmentation.copies: 2}}", {"augmented", "none_matched"}),
        ("arms: {none_matched: {training.momentum: 0.5}}", {"none_matched"}),
        ("evaluation: {resamples: 300, block: 2}\ngrid: {seeds: 2}", set()),
        ("scan: {updates: 7}\narms: {mine: {inherits: none}}", set()),
        # The weight map matters where it is in the loss.
        ("weight_map: {w0: 5.0, sigma: 3.0}", {"gap_weighted"}),
        ("arms: {none: {weight_map.w0: 5.0, weight_map.sigma: 3.0}}", {"gap_weighted"}),
        ("arms: {aspp: {weight_map.in_loss: true}}", {"aspp"}),
        ("arms: {aspp: {training.target: gap}}", {"aspp"}),
        ("arms: {aspp: {model.network: no_skip}}", {"aspp"}),
        # On which folds an arm is run changes none of its runs.
        ("arms: {none: {grid.folds: [last, random]}}", set()),
    ],
)
def test_change_does_again_what_depends_on_it(make, text, arms):
    before, after = planned(make(NO_SCAN)), planned(make(NO_SCAN + text))
    assert {name.split("/")[0] for name in changed(before, after)} == arms


@pytest.mark.parametrize(
    ("text", "arms"),
    [
        (
            "scan: {updates: 7}",
            {"none", "augmented", "none_matched", "scan_augmented_1e-03", "scan_augmented_1e-02"},
        ),
        (
            "arms: {none_tuned: {scan.updates: 7}}",
            {
                "none_tuned",
                "augmented_tuned",
                "gap_weighted",
                "border",
                "aspp",
                "scan_augmented_tuned_3e-03",
            },
        ),
        # The trials are those of the arm that is scanned, whichever arm names it.
        ("arms: {none_tuned: {scan.updates: 7}, augmented_tuned: {scan.updates: 4}}", set()),
    ],
)
def test_scanned_rate_ties_every_arm_that_takes_it_to_the_trials(make, text, arms):
    before, after = planned(make()), planned(make(text))
    assert {name.split("/")[0] for name in changed(before, after)} == arms


def test_same_settings_and_images_have_the_same_fingerprint(make):
    before = planned(make(NO_SCAN))
    assert not changed(before, planned(make(NO_SCAN, name="other"), json.loads(json.dumps(RECORD))))
    assert len({run.fingerprint for run in before.values()}) == len(before)


def test_other_threshold_scores_every_run_again(make):
    before = planned(make(NO_SCAN))
    other = planned(make(f"{NO_SCAN}evaluation: {{threshold: 0.4}}"))
    assert changed(before, other) == before.keys()


def test_other_images_do_everything_again(make):
    before = planned(make())
    other = planned(make(), RECORD | {"digests": {"images": "c", "silver": "b"}})
    assert changed(before, other) == before.keys()


# What is done -------------------------------------------------------------------------------


@pytest.fixture
def outputs(make):
    return make().outputs


@pytest.fixture
def run(make):
    return planned(make(NO_SCAN))["none/last/seed0"]


def test_finished_run_is_done(run, outputs):
    assert not plan.is_done(run, outputs)
    finish(run, outputs)
    assert plan.is_done(run, outputs)


@pytest.mark.parametrize("name", [name for name in plan.RUN_FILES if name != "model.keras"])
def test_run_without_one_of_its_files_is_not_done(run, outputs, name):
    (finish(run, outputs) / name).unlink()
    assert not plan.is_done(run, outputs)


def test_run_without_weights_is_done(run, outputs):
    (finish(run, outputs) / "model.keras").unlink()
    assert plan.is_done(run, outputs)


@pytest.mark.parametrize("record", ['{"fingerprint": "other"}', "{}", '{"fingerp'])
def test_run_of_other_settings_is_not_done(run, outputs, record):
    (finish(run, outputs) / "provenance.json").write_text(record)
    assert not plan.is_done(run, outputs)


def test_find(make):
    runs = plan.plan(make(NO_SCAN), RECORD)
    assert plan.find(runs, "none", "last", 0).name == "none/last/seed0"
    with pytest.raises(StateError, match="none/last/seed9: is not in the plan, which has none/"):
        plan.find(runs, "none", "last", 9)


def test_begin_takes_up_what_an_interrupted_run_left(run, outputs):
    partial = plan.begin(run, outputs)
    assert partial.parent == run.folder(outputs).parent
    (partial / "checkpoints").mkdir()
    (partial / "error.txt").touch()
    assert plan.begin(run, outputs) == partial
    assert {path.name for path in partial.iterdir()} == {"checkpoints", "fingerprint"}


@pytest.mark.parametrize("marked", [True, False])
def test_begin_throws_away_what_was_made_otherwise(make, run, outputs, marked):
    partial = plan.begin(run, outputs)
    (partial / "checkpoints").mkdir()
    other = planned(make(NO_SCAN + "arms: {none: {training.momentum: 0.5}}"))[run.name]
    if not marked:
        (partial / "fingerprint").unlink()
    assert plan.begin(other if marked else run, outputs) == partial
    assert {path.name for path in partial.iterdir()} == {"fingerprint"}


def test_begin_leaves_the_finished_run_alone(run, outputs):
    folder = finish(run, outputs)
    plan.begin(run, outputs)
    assert {path.name for path in folder.iterdir()} == set(plan.RUN_FILES)
    assert plan.is_done(run, outputs)


# Taking over --------------------------------------------------------------------------------


def test_run_of_a_parent_is_taken_over(make):
    parent = make(NO_SCAN, name="parent")
    child = make("evaluation: {block: 2}", parent="parent")
    run = planned(child)["none/last/seed0"]
    source = finish(planned(parent)[run.name], parent.outputs)
    plan.begin(run, child.outputs)
    assert plan.adopt(run, child)
    assert plan.is_done(run, child.outputs)
    assert plan.is_done(run, parent.outputs)
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    assert {p.name: p.read_bytes() for p in run.folder(child.outputs).iterdir()} == files
    assert not run.partial(child.outputs).exists()


def test_run_of_a_parent_with_other_settings_is_not_taken_over(make):
    parent = make(NO_SCAN, name="parent")
    child = make("arms: {none: {training.momentum: 0.5}}", parent="parent")
    run = planned(child)["none/last/seed0"]
    finish(planned(parent)[run.name], parent.outputs)
    assert not plan.adopt(run, child)
    assert not child.outputs.exists()


def test_taking_over_that_fails_leaves_no_run(make, monkeypatch):
    parent = make(NO_SCAN, name="parent")
    child = make(parent="parent")
    run = planned(child)["none/last/seed0"]
    finish(planned(parent)[run.name], parent.outputs)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plan.shutil, "copytree", full)
    with pytest.raises(StateError, match="cannot be written: .*No space left on device"):
        plan.adopt(run, child)
    assert not plan.is_done(run, child.outputs)


# Numbers from the runs before ---------------------------------------------------------------


@pytest.fixture
def scanned(make):
    """A profile of three rates for the published recipe, and what writes their histories."""
    profile = make("scan: {learning_rates: [1.0e-1, 1.0e-3, 1.0e-2]}")

    def trials(**histories):
        for run in planned(profile).values():
            if run.side == "validation" and run.settings["training.optimiser"] == "sgd":
                name = run.arm.removeprefix("scan_augmented_").replace("-", "")
                finish(run, profile.outputs, **histories[f"rate_{name}"])

    return profile, trials


def test_scan_takes_the_lowest_validation_loss(scanned):
    profile, trials = scanned
    trials(
        rate_1e03={"loss": [0.7, math.log(2) - 0.04], "val_loss": [0.65, 0.65]},
        rate_1e02={"loss": [0.7, math.log(2) - 0.06], "val_loss": [0.5, 0.9]},
        rate_1e01={"loss": [0.6, 0.1], "val_loss": [0.6, 0.55]},
    )
    table = scan.table(profile, "augmented", "last")
    assert table.learning_rate.tolist() == [1e-3, 1e-2, 1e-1]
    assert table.chosen.tolist() == [False, True, False]
    assert table.val_loss.tolist() == [0.65, 0.5, 0.55]
    assert table.left_plateau.tolist() == [False, True, True]
    assert table.updates.tolist() == [6, 6, 6]
    assert set(zip(table.arm, table.fold, strict=True)) == {("augmented", "last")}


@pytest.mark.parametrize("column", ["loss", "val_loss"])
@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_scan_never_takes_a_rate_that_diverged(scanned, column, lost):
    profile, trials = scanned
    best = {"loss": [0.1, 0.1], "val_loss": [0.1, 0.1]}
    trials(
        rate_1e03={"val_loss": [0.69, 0.69]},
        rate_1e02={"val_loss": [0.69, 0.68]},
        rate_1e01=best | {column: [0.1, lost]},
    )
    table = scan.table(profile, "augmented", "last")
    assert table.diverged.tolist() == [False, False, True]
    assert table.chosen.tolist() == [False, True, False]


def test_scan_of_which_every_rate_diverged(scanned):
    profile, trials = scanned
    lost = {"loss": [0.5, math.nan], "val_loss": [math.nan, math.nan]}
    trials(rate_1e03=lost, rate_1e02=lost, rate_1e01=lost)
    assert not scan.table(profile, "augmented", "last").chosen.any()
    run = planned(profile)["none/last/seed0"]
    with pytest.raises(StateError, match=r"none/last/seed0: every rate in scan\.learning_rates"):
        scan.settle(profile, run)


def test_scan_prefers_a_rate_that_left_the_plateau(scanned):
    profile, trials = scanned
    waiting = {"loss": [0.7, 0.69], "val_loss": [0.69, 0.69]}
    learning = {"loss": [0.7, 0.5], "val_loss": [0.9, 0.8]}
    trials(rate_1e03=waiting, rate_1e02=learning, rate_1e01=waiting)
    assert scan.table(profile, "augmented", "last").chosen.tolist() == [False, True, False]


def test_scan_of_a_weighted_loss_is_judged_without_the_weights(scanned):
    profile, trials = scanned
    # Weights lift a training loss far above ln 2; what is trained decides between those that left.
    trials(
        rate_1e03={"loss": [5, 2], "val_loss": [0.7, 0.6], "val_weighted_loss": [3, 1.5]},
        rate_1e02={"loss": [5, 2], "val_loss": [0.7, 0.5], "val_weighted_loss": [3, 1.9]},
        rate_1e01={"loss": [5, 0.6], "val_loss": [0.7, 0.69], "val_weighted_loss": [1.2, 1.1]},
    )
    table = scan.table(profile, "augmented", "last")
    assert table.left_plateau.tolist() == [True, True, False]
    assert table.chosen.tolist() == [True, False, False]
    assert table.val_loss.tolist() == [1.5, 1.9, 1.1]


def test_scan_that_was_not_run(scanned):
    profile, _ = scanned
    with pytest.raises(StateError, match="run scan_augmented_1e-03/last/seed0 first"):
        scan.table(profile, "augmented", "last")


def test_settled_settings_are_numbers(scanned):
    profile, trials = scanned
    trials(rate_1e03={}, rate_1e02={"val_loss": [0.7, 0.1]}, rate_1e01={})
    runs = planned(profile)
    finish(runs["augmented/last/seed0"], profile.outputs, updates=[40, 80])
    run = runs["none_matched/last/seed0"]
    before = dict(run.settings)
    settled = scan.settle(profile, run)
    assert settled == before | {"training.learning_rate": 1e-2, "training.updates": 80}
    assert run.settings == before


def test_each_group_settles_on_the_rate_of_its_own_scan_and_fold(make):
    text = (
        "grid: {folds: [last, random]}\narms: {none_tuned: {scan.learning_rates: [0.1, 0.2, 0.3]}}"
    )
    profile = make(text)
    best = {
        "scan_augmented_1e-02/last": 0.5,
        "scan_augmented_1e-03/random": 0.5,
        "scan_augmented_tuned_3e-01/last": 0.5,
        "scan_augmented_tuned_2e-01/random": 0.5,
    }
    runs = planned(profile)
    for run in runs.values():
        if run.side == "validation":
            lowest = best.get(f"{run.arm}/{run.fold}", 0.6)
            finish(run, profile.outputs, loss=[0.7, 0.5], val_loss=[0.7, lowest])
    settled = {
        name: scan.settle(profile, runs[f"{name}/seed0"])["training.learning_rate"]
        for name in ("none/last", "none/random", "none_tuned/last", "aspp/random")
    }
    assert settled == {
        "none/last": 1e-2,
        "none/random": 1e-3,
        "none_tuned/last": 0.3,
        "aspp/random": 0.2,
    }
    table = scan.table(profile, "augmented_tuned", "random")
    assert table.learning_rate.tolist() == [0.1, 0.2, 0.3]


def test_settings_cannot_be_settled_before_their_runs(make):
    profile = make(NO_SCAN)
    with pytest.raises(StateError, match="run augmented/last/seed0 first"):
        scan.settle(profile, planned(profile)["none_matched/last/seed0"])


# Notebooks ----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of our own: its code, notebooks and inputs count towards the fingerprints."""
    for name in ("lib/code.py", "params/claims.yaml", "params/published.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "notebooks").mkdir()
    for name in plan.NOTEBOOK_SECTIONS:
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("1")
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    monkeypatch.setattr(plan, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(plan, "PARAMS", tmp_path / "params")
    return tmp_path


def shown_by(profile, record=RECORD):
    runs = plan.plan(profile, record)
    return {
        name: plan.notebook_fingerprint(name, profile, record, runs)
        for name in plan.NOTEBOOK_SECTIONS
    }


def redrawn(before, after):
    return {name[:2] for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("text", "notebooks"),
    [
        ("", set()),
        ("training: {patience: 7}", {"05", "06"}),
        ("weight_map: {w0: 5.0}", {"03", "05", "06"}),
        ("augmentation: {shift: 0.1, copies: 3}", {"02", "05", "06"}),
        ("evaluation: {threshold: 0.4}", {"05", "06"}),
        ("grid: {folds: [random]}", {"01", "02", "05", "06"}),
        ("image: {size: 32}", {"02", "03", "05", "06"}),
        ("data: {phantom_seed: 3}", {"01", "02", "03", "05", "06"}),
        ("arms: {none: {about: Nothing}}", {"05", "06"}),
        ("arms: {augmented: {augmentation.copies: 2}}", {"05", "06"}),
        ("arms: {aspp: {augmentation.elastic_sigma: 5.0}}", {"02", "05", "06"}),
        # An arm that is not run is shown in no result.
        ("arms: {elastic: {augmentation.elastic_sigma: 5.0}}", {"02"}),
    ],
)
@pytest.mark.usefixtures("project")
def test_notebook_is_executed_again_for_what_it_shows(make, text, notebooks):
    assert redrawn(shown_by(make()), shown_by(make(text))) == notebooks


@pytest.mark.parametrize(
    ("file", "notebooks"),
    [
        ("lib/code.py", {"01", "02", "03", "05", "06"}),
        ("notebooks/02_augmentation.ipynb", {"02"}),
        ("params/claims.yaml", {"01", "02", "03", "05", "06"}),
        ("params/published.csv", {"01", "02", "03", "05", "06"}),
    ],
)
def test_notebook_is_executed_again_for_the_files_behind_it(make, project, file, notebooks):
    before = shown_by(make())
    (project / file).write_text("2")
    assert redrawn(before, shown_by(make())) == notebooks


@pytest.mark.usefixtures("project")
def test_notebooks_are_executed_again_for_other_images_and_finished_runs(make):
    profile = make()
    before = shown_by(profile)
    assert len(redrawn(before, shown_by(profile, RECORD | {"label": "other"}))) == 5
    finish(planned(profile)["none/last/seed0"], profile.outputs)
    assert redrawn(before, shown_by(profile)) == {"05", "06"}


def test_report_is_executed_again_for_the_larger_runs_that_it_shows(make, project):
    study, other = make(name="study"), make()
    before, apart = shown_by(study), shown_by(other)
    tables = project / "outputs" / "full_size"
    (tables / "runs").mkdir(parents=True)
    for name in ("summary.csv", "runs/first_epochs.csv", "data.json"):
        (tables / name).write_text("1")
        after = shown_by(study)
        assert redrawn(before, after) == {"06"}
        before = after
    (tables / "report.html").touch()
    assert shown_by(study) == before
    assert shown_by(other) == apart


@pytest.mark.usefixtures("project")
def test_chapters_are_executed_again_for_other_profiles_that_they_show(make, monkeypatch):
    study = make(name="study")
    before, load = shown_by(study), params.load

    def change(name, key):
        changed = load(name)
        for arm in changed.arms.values():
            arm[key] = 8
        monkeypatch.setattr(params, "load", lambda asked: changed if asked == name else load(asked))
        return redrawn(before, shown_by(study))

    assert change("full_size", "model.filters") == {"06"}
    assert change("paper", "model.depth") == {"05"}


def test_notebook_is_done_while_it_shows_the_same(outputs):
    path = outputs / "notebooks" / "01_data.ipynb"
    assert not plan.notebook_done("01_data", "a", outputs)
    path.parent.mkdir(parents=True)
    for text in ("<<<<<<< mine", "{}", json.dumps({"metadata": {}})):
        path.write_text(text)
        assert not plan.notebook_done("01_data", "a", outputs)
    path.write_text(json.dumps({"metadata": {"study": {"fingerprint": "a"}}}))
    assert plan.notebook_done("01_data", "a", outputs)
    assert not plan.notebook_done("01_data", "b", outputs)


def test_report_is_done_when_the_page_is_there(outputs):
    path = outputs / "notebooks" / "06_report.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"metadata": {"study": {"fingerprint": "a"}}}))
    assert not plan.notebook_done("06_report", "a", outputs)
    (outputs / "report.html").touch()
    assert plan.notebook_done("06_report", "a", outputs)


# The images ---------------------------------------------------------------------------------


@pytest.fixture
def found(monkeypatch):
    """Find images without looking for any."""
    record = dict(RECORD)
    monkeypatch.setattr(plan, "find_source", lambda **_: type("Source", (), {"name": "HeLa"}))
    monkeypatch.setattr(plan, "data_record", lambda *_: record)
    return record


def test_data_and_splits_are_written_once_for_all(make, found):
    profile = make("grid: {folds: [last, 01to02]}")
    assert plan.prepare(profile) == found
    assert plan.read_record(profile.outputs) == found
    names = {
        path.relative_to(profile.outputs).as_posix() for path in profile.outputs.rglob("*.json")
    }
    assert names == {"data.json", "splits/last.json", "splits/01to02.json"}
    split = plan.read_split(profile.settings, "01to02", found, profile.outputs)
    assert split.test == [("02", frame) for frame in range(12)]


@pytest.mark.parametrize(
    ("settings", "frames"),
    [({"split.seed": 2}, {}), ({"split.test_share": 0.3}, {}), ({}, {"01": 12, "02": 11})],
)
def test_split_that_disagrees_with_the_settings(make, found, settings, frames):
    profile = make("grid: {folds: [random]}")
    plan.prepare(profile)
    plan.read_split(profile.settings, "random", found, profile.outputs)
    found["frames"] = found["frames"] | frames
    with pytest.raises(DataError, match=r"random\.json: another split than the settings give"):
        plan.read_split(profile.settings | settings, "random", found, profile.outputs)


def test_size_above_that_of_the_frames(make, found):
    found["shape"] = [48, 48]
    with pytest.raises(DataError, match=r"arms\.none: image\.size: 64 px is more .* \(48 px\)"):
        plan.prepare(make())
    found["shape"] = [64, 64]
    larger = make("arms: {aspp: {image.size: 128}}")
    with pytest.raises(DataError, match=r"mine\.yaml: arms\.aspp: image\.size: 128 px is more"):
        plan.prepare(larger)


def test_frames_that_are_not_square(make, found):
    found["shape"] = [64, 48]
    with pytest.raises(DataError, match=r"mine\.yaml: data\.name: the frames are 64 x 48 px"):
        plan.prepare(make())


def test_phantom_never_takes_the_place_of_real_images(make, found):
    profile = make()
    found |= {"source": "folder", "label": "real images"}
    plan.prepare(profile)
    real = found | {}
    found |= {"source": "phantom", "label": "phantom"}
    with pytest.raises(StateError, match="holds results of real images, and now only the phantom"):
        plan.prepare(profile)
    assert plan.read_record(profile.outputs) == real


def test_real_images_take_the_place_of_the_phantom(make, found):
    profile = make()
    found |= {"source": "phantom", "label": "phantom"}
    plan.prepare(profile)
    found |= {"source": "folder", "label": "real images"}
    plan.prepare(profile)
    assert plan.read_record(profile.outputs)["source"] == "folder"


def test_folder_of_the_images_may_begin_at_home(make, monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(plan, "find_source", lambda **settings: asked.update(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    plan.open_source(make("data: {folder: ~/images}").settings, "folder")
    assert asked["folder"] == str(tmp_path / "images")
    plan.open_source(make("data: {folder: images}").settings, "folder")
    assert asked["folder"] == str(ROOT / "images")


def test_fold_of_a_video_that_is_not_there(make, found):
    found["frames"] = {"01": 12}
    with pytest.raises(DataError, match=r"grid\.folds: .*no video 02"):
        plan.prepare(make("grid: {folds: [01to02]}"))


@pytest.mark.parametrize("text", [None, "{"])
def test_record_that_cannot_be_read(outputs, text):
    if text:
        outputs.mkdir(parents=True)
        (outputs / "data.json").write_text(text)
    with pytest.raises(StateError, match=r"data\.json: cannot be read .* run `make data` first"):
        plan.read_record(outputs)


def test_arms_are_the_same_but_for_settings_that_matter_to_neither():
    arm = params.load("smoke").arms["none"]
    assert plan.same_but(arm, arm, ())
    larger = arm | {"image.size": 512}
    assert not plan.same_but(arm, larger, ())
    assert plan.same_but(arm, larger, ("image.size",))
    # The width of a map that is not in the loss, and the folds, change no run.
    assert plan.same_but(arm, arm | {"weight_map.sigma": 9.0, "grid.folds": ["last"]}, ())
    weighted = arm | {"weight_map.in_loss": True}
    assert not plan.same_but(weighted, weighted | {"weight_map.sigma": 9.0}, ())
