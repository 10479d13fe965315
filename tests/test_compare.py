"""Two constructed outputs folders against each other, and the page that shows them."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import arm_curves, compare, comparison, params
from lib.evaluation import save_examples
from lib.files import StateError
from lib.paths import PARAMS
from lib.statistics import summarise

DATA = {
    "source": "folder",
    "label": "DIC-C2DH-HeLa",
    "frames": {"01": 9, "02": 9},
    "digests": {"images": "1", "silver": "2", "gold": "3"},
}
FRAMES = range(6)
SIDE = 16


def write_study(folder, arms, *, tp=50, folds=("last",), seeds=1, data=DATA, frames=FRAMES):
    """Write what a finished profile leaves; of 100 cell pixels of a frame `tp` are found.

    `arms` gives each arm's settings.
    """
    (folder / "runs").mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "provenance.json").write_text(json.dumps({"profile": "quick"}))
    tables = []
    for arm, settings in arms.items():
        for fold in folds:
            for seed in range(seeds):
                run = folder / "runs" / arm / fold / f"seed{seed}"
                rows = write_run(run, settings, fold, tp, frames)
                tables.append(rows.assign(arm=arm, fold=fold, seed=seed))
    metrics = pd.concat(tables, ignore_index=True)
    metrics.to_csv(folder / "metrics.csv", index=False)
    summarise(metrics, block=2, resamples=50).to_csv(folder / "summary.csv", index=False)
    return folder


def write_run(run, settings, fold, tp, frames):
    run.mkdir(parents=True)
    settings = {"evaluation.threshold": 0.5} | settings
    (run / "params.yaml").write_text(yaml.safe_dump(settings))
    (run / "provenance.json").write_text(json.dumps({"commit": "abcdef0123", "dirty": False}))
    history = pd.DataFrame({"updates": [10, 20], "val_loss": [0.6, 0.5], "val_f1": [0.2, tp / 100]})
    history.to_csv(run / "history.csv", index=False)
    video = "01" if fold == "02to01" else "02"
    image = np.random.default_rng(0).random((len(frames), SIDE, SIDE))
    pairs = [(video, frame) for frame in frames]
    roles = [f"spread{number}" for number in range(len(pairs))]
    save_examples(run / "examples.npz", roles, pairs, image, image > 0.5, image)
    counts = {"tp": tp, "fp": 0, "fn": 100 - tp, "tn": 100}
    iou = tp / 100
    values = counts | dict.fromkeys(["precision", "recall", "f1", "iou", "mean_iou"], iou)
    values |= {"accuracy": iou, "seg_st": iou}
    return pd.DataFrame(
        [
            {"video": video, "frame": frame, "metric": name, "value": value}
            for frame in frames
            for name, value in values.items()
        ]
    )


def read(tmp_path, first, second, **changes):
    """Read a study with one of other arms, or written with other words."""
    folders = write_study(tmp_path / "x", first), write_study(tmp_path / "y", second, **changes)
    return [comparison.read_study(folder, folder.name) for folder in folders]


# What was run -------------------------------------------------------------------------------


def test_settings_that_differ_name_the_arms_they_differ_in(tmp_path):
    a, b = read(
        tmp_path,
        {"none": {"size": 64, "flip": False}, "gap": {"size": 64, "flip": False}},
        {"none": {"size": 128, "flip": False}, "gap": {"size": 128, "flip": True, "new": 1}},
    )
    assert comparison.setting_differences(a, b).to_dict("records") == [
        {"setting": "size", "x": "64", "y": "128", "arms": "every shared arm"},
        {"setting": "flip", "x": "false", "y": "true", "arms": "gap"},
        {"setting": "new", "x": "not recorded", "y": "1", "arms": "gap"},
    ]


def test_a_setting_that_differs_on_one_fold_only_names_it(tmp_path):
    folders = [
        write_study(tmp_path / name, {"none": {"rate": 0.1}}, folds=["last", "random"])
        for name in ("x", "y")
    ]
    (folders[1] / "runs/none/random/seed0/params.yaml").write_text(
        "evaluation.threshold: 0.5\nrate: 0.2\n"
    )
    a, b = (comparison.read_study(folder, folder.name) for folder in folders)
    (row,) = comparison.setting_differences(a, b).to_dict("records")
    assert row == {"setting": "rate", "x": "0.1", "y": "0.2", "arms": "none (fold random)"}


def test_equal_studies_have_no_settings_that_differ_and_no_lone_arm(tmp_path):
    a, b = read(tmp_path, {"none": {"size": 64}}, {"none": {"size": 64}})
    assert comparison.setting_differences(a, b).empty
    assert comparison.lone_arms(a, b).empty


def test_a_lone_arm_is_described_by_its_nearest(tmp_path):
    far, near = {"copies": 1, "size": 64, "rate": 1}, {"copies": 12, "size": 64, "rate": 2}
    mine = near | {"copies": 24}
    a, b = read(tmp_path, {"far": far, "near": near}, {"far": far, "near": near, "mine": mine})
    (row,) = comparison.lone_arms(a, b).to_dict("records")
    assert row == {
        "arm": "mine",
        "only in": "y",
        "nearest arm": "near",
        "difference to it": "copies 24 instead of 12",
    }


def test_an_arm_without_any_other_has_no_nearest(tmp_path):
    a, b = read(tmp_path, {"none": {"size": 64}}, {"other": {"size": 64}})
    table = comparison.lone_arms(a, b)
    assert table["only in"].tolist() == ["x", "y"]
    assert table["nearest arm"].isna().all()


def test_trials_of_the_scan_and_unfinished_runs_are_no_arms(tmp_path):
    folder = write_study(tmp_path / "x", {"none": {}})
    write_run(folder / "runs/scan_none_1e-03/last/seed0", {}, "last", 10, FRAMES)
    (folder / "runs/none/last/.seed1.part").mkdir()
    assert list(comparison.read_study(folder, "x").runs) == [("none", "last", 0)]


# What came out ------------------------------------------------------------------------------


def test_paired_difference_is_second_minus_first(tmp_path):
    a, b = read(tmp_path, {"none": {}, "gap": {}}, {"none": {}}, tp=80)
    table = comparison.paired_differences(a, b)
    assert table.what.unique().tolist() == ["none"]
    found = table.set_index("metric")
    # IoU is tp over 100 cell pixels; every frame is the same, so that there is no spread.
    assert found.loc["iou_pooled", ["mean", "ci_low", "ci_high"]].tolist() == pytest.approx(
        [0.3, 0.3, 0.3]
    )
    assert found.loc["f1_pooled", "mean"] == pytest.approx(160 / 180 - 100 / 150)


def test_intervals_are_drawn_as_the_profiles_of_the_two_say(tmp_path, monkeypatch):
    a, b = read(tmp_path, {"none": {}}, {"none": {}})
    monkeypatch.setattr(params, "PARAMS", tmp_path)
    shutil.copy(PARAMS / "base.yaml", tmp_path)
    for study, profile, evaluation in (
        (a, "short", "{block: 2, resamples: 300}"),
        (b, "long", "{block: 4, resamples: 200}"),
    ):
        (study.folder / "provenance.json").write_text(json.dumps({"profile": profile}))
        text = f"inherits: base\nevaluation: {evaluation}\n"
        (tmp_path / f"{profile}.yaml").write_text(text)
    asked = []

    def differences(table, arm, against, names, **bootstrap):
        asked.append(bootstrap)
        return {}

    monkeypatch.setattr(comparison, "arm_differences", differences)
    comparison.paired_differences(a, b)
    assert asked == [{"block": 4, "resamples": 300}]


@pytest.mark.parametrize("text", ['{"profile": "gone"}', "{}", "{", None])
def test_intervals_of_a_profile_that_is_gone(tmp_path, text):
    a, b = read(tmp_path, {"none": {}}, {"none": {}})
    (b.folder / "provenance.json").unlink()
    if text:
        (b.folder / "provenance.json").write_text(text)
    with pytest.raises(StateError, match=r"y/provenance\.json: has to name a profile in params"):
        comparison.paired_differences(a, b)


def test_both_videos_held_out_make_the_headline(tmp_path):
    folds = ["last", "01to02", "02to01"]
    a, b = (
        comparison.read_study(write_study(tmp_path / name, {"none": {}}, tp=tp, folds=folds), name)
        for name, tp in (("x", 50), ("y", 40))
    )
    assert comparison.headline(a, b) == "video"
    table = comparison.paired_differences(a, b)
    assert set(table.fold) == {"video", *folds}
    assert table[table.metric == "iou_pooled"]["mean"].tolist() == pytest.approx([-0.1] * 4)
    words = comparison.finding(table, "video", "iou_pooled", ("x", "y"))
    assert words.startswith("foreground IoU of y is higher than that of x in 0 of 1 shared arms")
    assert "lower in 1, and in 0 the" in words
    assert "both videos held out" in words


def test_no_difference_is_taken_on_other_images_or_frames(tmp_path):
    other = DATA | {"digests": DATA["digests"] | {"images": "9"}}
    a, b = read(tmp_path, {"none": {}}, {"none": {}}, data=other)
    assert not comparison.same_images(a, b)
    assert comparison.paired_differences(a, b).empty
    later = write_study(tmp_path / "later", {"none": {}}, frames=range(6, 9))
    assert comparison.paired_differences(a, comparison.read_study(later, "later")).empty


def test_other_gold_truth_is_no_other_data(tmp_path):
    other = DATA | {"digests": DATA["digests"] | {"gold": None}}
    assert comparison.same_images(*read(tmp_path, {"none": {}}, {"none": {}}, data=other))


def test_scores_lay_the_studies_side_by_side(tmp_path):
    a, b = read(tmp_path, {"none": {}}, {"none": {}, "gap": {}}, tp=80)
    differences = comparison.paired_differences(a, b)
    table = comparison.scores(a, b, differences, "last", "iou_pooled")
    assert table.loc["none"].tolist() == [
        "0.500 (0.500 to 0.500)",
        "0.800 (0.800 to 0.800)",
        "+0.300 (+0.300 to +0.300)",
    ]
    assert table.loc["gap", "y"] == "0.800 (0.800 to 0.800)"
    assert table.loc["gap", ["x", "difference"]].isna().all()


def test_a_metric_that_one_lacks_is_left_out(tmp_path):
    a, b = read(tmp_path, {"none": {}}, {"none": {}})
    older = b.summary[b.summary.metric != "seg_st"]
    old = comparison.Study(b.name, b.folder, b.data, b.runs, b.codes, b.metrics, older)
    assert comparison.shared_metrics(a, old) == ["f1_pooled", "iou_pooled"]


def test_histories_put_shared_arms_first(tmp_path):
    a, b = read(tmp_path, {"alone": {}, "none": {}}, {"none": {}})
    histories = comparison.read_histories(a, b, "last")
    assert histories.arm.unique().tolist() == ["none", "alone"]
    assert histories[histories.arm == "none"].study.unique().tolist() == ["x", "y"]
    assert histories.groupby("arm").alone.all().to_dict() == {"none": False, "alone": True}


def test_the_same_frame_is_the_middle_of_those_that_both_kept(tmp_path):
    a, b = read(tmp_path, {"none": {}}, {"none": {}}, frames=range(2, 9))
    pair = comparison.same_frame(a, b, "none", "last")
    # Frames 2 to 5 are in both.
    assert [(example["video"], int(example["frame"])) for example in pair] == [("02", 4)] * 2
    assert comparison.same_frame(a, b, "gap", "last") is None


def test_two_studies_are_drawn_over_each_other():
    histories = pd.DataFrame(
        [
            (arm, study, seed, updates, 0.1 * updates + seed + shift)
            for arm, studies in {"none": ("x", "y"), "gap": ("y",)}.items()
            for study, shift in zip(studies, (0, 0.01), strict=False)
            for seed in (0, 1)
            for updates in (1, 2)
        ],
        columns=["arm", "study", "seed", "updates", "val_f1"],
    )
    figure = arm_curves.draw_two_studies(histories, ("x", "y"), metric="val_f1", label="F1")
    none, gap = figure.axes
    assert [panel.get_title() for panel in figure.axes] == ["none", "gap"]
    drawn = {line.get_label(): line.get_ydata().tolist() for line in none.lines}
    assert drawn["x"] == pytest.approx([0.6, 0.7])
    assert drawn["y"] == pytest.approx([0.61, 0.71])
    lines = {line.get_label(): line for line in gap.lines}
    assert len(lines["x"].get_xdata()) == 0
    assert len(lines["y"].get_xdata()) == 2


# The page -----------------------------------------------------------------------------------


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "OUTPUTS", tmp_path)
    return tmp_path


def texts(page):
    return re.sub(r"data:image[^\"]*|</?small>", "", page.read_text(encoding="utf-8"))


def test_page_shows_everything_and_loads_nothing(outputs, capsys):
    write_study(outputs / "x", {"none": {"size": 64}})
    write_study(outputs / "y", {"none": {"size": 128}, "gap": {"size": 128}}, tp=80)
    compare.main([str(outputs / "x"), str(outputs / "y")])
    page = outputs / "compare_x_y.html"
    assert "compare_x_y.html" in capsys.readouterr().out
    shown = texts(page)
    headings = re.findall(r"<h2 id=\"([^\"]+)\"", shown)
    assert headings == ["Settings", "Scores", "Learning-curves", "The-same-frames"]
    # Settings, lone arms, overview and three metrics; effects, two curves and one frame.
    assert len(re.findall(r"id=\"table-\d\"", shown)) == 6
    assert len(re.findall(r"id=\"figure-\d\"", shown)) == 4
    assert "+0.300 (+0.300 to +0.300)" in shown
    assert "notice" not in re.sub(r"(?s)<style.*?</style>", "", shown)
    assert sorted(path.name for path in outputs.iterdir()) == ["compare_x_y.html", "x", "y"]


def test_page_without_a_common_arm_says_so(outputs):
    write_study(outputs / "x", {"none": {}})
    write_study(outputs / "y", {"gap": {}})
    shown = texts(compare.compare(outputs / "x", outputs / "y"))
    assert "The two have no arm in common." in shown
    assert "0.500 (0.500 to 0.500)" in shown


def test_page_of_other_images_shows_scores_but_no_difference(outputs):
    phantom = DATA | {"source": "phantom", "digests": {"images": "9", "silver": "9"}}
    write_study(outputs / "x", {"none": {}})
    write_study(outputs / "y", {"none": {}}, data=phantom)
    shown = texts(compare.compare(outputs / "x", outputs / "y"))
    assert "a phantom: y." in shown
    assert "run on different images or labels" in shown
    assert "The-same-frames" not in shown
    assert "+0.000" not in shown


def test_page_without_a_common_fold(outputs):
    write_study(outputs / "x", {"none": {}})
    write_study(outputs / "y", {"none": {}}, folds=["random"])
    shown = texts(compare.compare(outputs / "x", outputs / "y"))
    assert "no fold, or no metric, in common" in shown
    assert "same settings in both" not in shown


def test_folders_of_one_name_are_told_apart(outputs):
    for parent in ("here", "there"):
        write_study(outputs / parent / "x", {"none": {}})
    page = compare.compare(outputs / "here" / "x", outputs / "there" / "x")
    assert page.name == "compare_x_x.html"
    assert "here/x" in texts(page)
    assert "there/x" in texts(page)


# Errors -------------------------------------------------------------------------------------


def test_errors_name_the_folder_and_the_remedy(outputs, capsys):
    whole = write_study(outputs / "whole", {"none": {}})
    empty = outputs / "empty"
    empty.mkdir()
    unfinished = write_study(outputs / "unfinished", {"none": {}})
    (unfinished / "summary.csv").unlink()
    broken = write_study(outputs / "broken", {"none": {}})
    (broken / "runs/none/last/seed0/provenance.json").write_text("{")
    for second, message in {
        "": "two folders are needed: make compare A=outputs/x B=outputs/y",
        whole: "whole: cannot be compared with itself",
        outputs / "missing": "missing: no such folder",
        empty: "empty: is not an outputs folder",
        unfinished: "summary.csv: cannot be read; run `make report PARAMS=params/unfinished.yaml`",
        broken: "none/last/seed0: the run cannot be read",
    }.items():
        with pytest.raises(SystemExit) as caught:
            compare.main([str(whole), str(second)])
        said = capsys.readouterr().err
        assert caught.value.code == 2
        assert message in said
        assert said.startswith("error: ")
        assert said.count("\n") == 1


def test_a_study_without_finished_runs(tmp_path):
    folder = write_study(tmp_path / "x", {"none": {}})
    (folder / "runs/none").rename(folder / "runs/other")
    with pytest.raises(StateError, match="no arm of summary.csv has a finished run"):
        comparison.read_study(folder, "x")
