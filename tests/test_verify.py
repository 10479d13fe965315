"""Comparing what is kept with what comes out again; the chapters are executed in test_pipeline."""

import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imsave

from lib import params, plan, verify
from lib.verify import Difference, compare_figures, compare_rows, compare_texts

RECORD = {"source": "phantom", "label": "phantom", "frames": {}, "digests": {}}
RUN = "runs/none/last/seed0"
SCORES = """arm,fold,seed,video,frame,metric,value
none,last,0,02,80,f1,0.605
none,last,0,02,80,iou,0.4337
none,last,0,02,81,f1,0.625
"""
BASELINES = "arm,fold,seed,video,frame,metric,value\nall_foreground,last,0,02,80,f1,0.7\n"
TABLES = {
    "metrics.csv": SCORES + BASELINES.split("\n", 1)[1],
    "summary.csv": "arm,fold,metric,mean,n_frames\nnone,last,f1,0.615,2\n",
    "claims.csv": "id,published,verdict\nf1_none,0.605,reproduced\n",
    "runs.csv": "arm,fold,seed,status\nnone,last,0,completed\n",
}
REPORT = "<p>Test F1 is 0.615.</p>\n<p>None was lost.</p>\n"


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A profile of one run with all that is kept of it; the chapters compute the same again."""
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    path = tmp_path / "mine.yaml"
    path.write_text("inherits: smoke\ntraining: {learning_rate: 1.0e-2}\ngrid: {arms: [none]}\n")
    loaded = params.load(path)
    outputs = loaded.outputs
    (run,) = plan.plan(loaded, RECORD)
    texts = {f"{RUN}/{name}": "" for name in plan.RUN_FILES}
    texts[f"{RUN}/provenance.json"] = json.dumps({"fingerprint": run.fingerprint})
    texts[f"{RUN}/metrics.csv"] = SCORES
    texts[f"{RUN}/history.csv"] = "epoch,loss\n1,0.6931\n"
    texts |= {"data.json": json.dumps(RECORD), "splits/last.json": "{}"}
    texts |= {"truth.csv": "video,frame\n", "baselines.csv": BASELINES, "provenance.json": "{}"}
    for name, text in (texts | TABLES | {"report.html": REPORT, "kernel.log": "I0000"}).items():
        (outputs / name).parent.mkdir(parents=True, exist_ok=True)
        (outputs / name).write_text(text)
    (outputs / "figures").mkdir()
    imsave(outputs / "figures/figure2.png", np.zeros((8, 9)))
    draw(outputs / "figures")
    verify.write_checksums(outputs)
    monkeypatch.setattr(verify, "_execute", execute)
    return loaded


def draw(folder):
    imsave(folder / "figure5.png", np.linspace(0, 1, 200).reshape(10, 20))
    (folder / "figure5.svg").write_text("<svg/>")


def execute(profile, copy, chapter):
    """What the chapters compute, without computing it."""
    if chapter == "05_evaluation":
        for name, text in TABLES.items():
            (copy / name).write_text(text)
        (copy / "figures").mkdir()
        draw(copy / "figures")
    else:
        assert (copy / "figures/figure2.png").exists()
        (copy / "report.html").write_text(REPORT)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edit(profile, name, before, after):
    path = profile.outputs / name
    assert path.read_text().count(before) == 1
    path.write_text(path.read_text().replace(before, after))


# A whole profile ----------------------------------------------------------------------------


def test_what_comes_out_again_is_counted_and_nothing_is_changed(profile):
    before = contents(profile.outputs)
    said = verify.verify(profile)
    assert said == (
        "mine: 4 tables, 1 figures and the report come out again; 1 of 1 planned runs are done"
    )
    assert contents(profile.outputs) == before


def test_networks_and_logs_are_not_needed(profile):
    (profile.outputs / RUN / "model.keras").unlink()
    (profile.outputs / "kernel.log").unlink()
    (profile.outputs / "plan.mk").write_text("all:\n")
    assert "come out again" in verify.verify(profile)


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        (
            f"{RUN}/metrics.csv",
            "0.625",
            "0.624",
            r"row 3 \(arm none, fold last, seed 0, video 02, frame 81, metric f1\), column value: "
            r"0\.624; 0\.625 in .*/mine/metrics\.csv$",
        ),
        (f"{RUN}/metrics.csv", "02,81", "02,82", "column frame: 82; 81 in .*/mine/metrics.csv$"),
        (f"{RUN}/metrics.csv", "none,last,0,02,81,f1,0.625\n", "", "2 rows; 3 in .*metrics.csv$"),
        (f"{RUN}/history.csv", "0.6931", "0.6932", "is not the file that was written"),
        (f"{RUN}/params.yaml", "", "a: 1", "is not the file that was written"),
        ("splits/last.json", "{}", "{ }", "is not the file that was written"),
        ("baselines.csv", "0.7", "0.8", "is not the file that was written"),
        (
            "summary.csv",
            "0.615",
            "0.616",
            r"row 1 \(arm none, fold last, metric f1\), column mean: 0\.616; 0\.615 computed again",
        ),
        ("summary.csv", "mean", "middle", "columns arm, fold, metric, middle, n_frames; "),
        (
            "claims.csv",
            "reproduced",
            "contradicted",
            r"row 1 \(id f1_none\), column verdict: contradicted; reproduced computed again",
        ),
        ("runs.csv", "none,last,0,completed\n", "", "0 rows; 1 computed again"),
        # Less than the tolerance, and still not what was written.
        ("summary.csv", "0.615", "0.6150000000001", "is not the file that was written"),
        ("figures/figure5.svg", "<svg/>", "<svg></svg>", "is not the file that was written"),
        ("provenance.json", "{}", "{ }", "is not the file that was written"),
        (
            "report.html",
            "0.615",
            "0.616",
            r"line 1: '<p>Test F1 is 0\.616\.</p>'; '<p>Test F1 is 0\.615\.</p>' written again",
        ),
    ],
)
def test_any_change_is_found_and_its_file_named(profile, name, before, after, expected):
    if before:
        edit(profile, name, before, after)
    else:
        (profile.outputs / name).write_text(after)
    with pytest.raises(Difference) as caught:
        verify.verify(profile)
    message = str(caught.value)
    assert message.startswith(f"{profile.outputs / name}: ")
    assert re.search(expected, message)


def test_score_that_was_changed_in_the_table_of_all_names_both_files(profile):
    edit(profile, "metrics.csv", "0.625", "0.624")
    with pytest.raises(Difference) as caught:
        verify.verify(profile)
    assert f"{RUN}/metrics.csv: row 3" in str(caught.value)
    assert str(caught.value).endswith(f"0.625; 0.624 in {profile.outputs / 'metrics.csv'}")


@pytest.mark.parametrize("name", [f"{RUN}/history.csv", "summary.csv", "figures/figure2.png"])
def test_missing_file(profile, name):
    (profile.outputs / name).unlink()
    with pytest.raises(Difference, match=f"{name}: is missing"):
        verify.verify(profile)


def test_file_that_nothing_wrote(profile):
    shutil.copytree(profile.outputs / RUN, profile.outputs / "runs/best/last/seed0")
    with pytest.raises(Difference, match=r"runs/best/last/seed0/.*: is not listed in checksums"):
        verify.verify(profile)


def test_changed_setting_of_a_run(profile):
    profile.path.write_text(profile.path.read_text().replace("1.0e-2", "1.0e-3"))
    with pytest.raises(Difference, match=f"{RUN}: is not whole, or was made with other settings"):
        verify.verify(params.load(profile.path))


def test_changed_figure(profile):
    imsave(profile.outputs / "figures/figure5.png", np.zeros((10, 20)))
    with pytest.raises(Difference, match=r"figures/figure5\.png: differs from what is drawn again"):
        verify.verify(profile)


@pytest.mark.parametrize("name", ["effects.csv", "figures/figure9.png"])
def test_result_that_was_not_kept(profile, monkeypatch, name):
    def compute_more(profile, copy, chapter):
        execute(profile, copy, chapter)
        (copy / name).write_text("id\n")

    monkeypatch.setattr(verify, "_execute", compute_more)
    with pytest.raises(Difference, match=f"mine/{name}: "):
        verify.verify(profile)


def test_results_without_checksums(profile):
    (profile.outputs / "checksums.txt").unlink()
    with pytest.raises(Difference, match=r"checksums\.txt: cannot be read .* run `make report`"):
        verify.verify(profile)


def test_chapter_that_fails_says_why(profile, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(verify.sys, "executable", "false")
    copy = profile.outputs
    with pytest.raises(Difference, match="06_report cannot be executed again"):
        verify._execute(profile, copy, "06_report")


# Files --------------------------------------------------------------------------------------


def test_checksums_are_read_by_sha256sum(profile):
    lines = (profile.outputs / "checksums.txt").read_text().splitlines()
    names = [line.split("  ")[1] for line in lines]
    assert names == verify.kept_files(profile.outputs)
    digest = hashlib.sha256(SCORES.encode()).hexdigest()
    assert f"{digest}  {RUN}/metrics.csv" in lines
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "checksums.txt"]
        subprocess.run(command, cwd=profile.outputs, check=True, capture_output=True)


def test_kept_are_neither_networks_nor_logs_nor_runs_under_way(tmp_path):
    kept = ["data.json", f"{RUN}/history.csv"]
    others = [
        "kernel.log",
        "plan.mk",
        "checksums.txt",
        f"{RUN}/model.keras",
        f"{RUN}/checkpoints/1.npz",
        "runs/none/last/.seed1.part/history.csv",
    ]
    for name in kept + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert verify.kept_files(tmp_path) == kept


# Tables, figures and texts ------------------------------------------------------------------


def rows(*values):
    return pd.DataFrame({"arm": [f"arm{n}" for n in range(len(values))], "mean": values}, dtype=str)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_table_is_the_same_as_itself_in_other_digits(values):
    ours = rows(*map(repr, values))
    theirs = rows(*(f"{value:.17e}" for value in values))
    compare_rows("table.csv", ours, theirs, "computed again")


@given(st.data(), st.lists(st.integers(1, 9), min_size=7, max_size=9))
def test_any_changed_digit_of_a_number_is_found(data, digits):
    place = data.draw(st.integers(0, len(digits) - 1))
    other = data.draw(st.sampled_from([digit for digit in range(10) if digit != digits[place]]))
    changed = [*digits[:place], other, *digits[place + 1 :]]
    texts = ["0." + "".join(map(str, each)) for each in (digits, changed)]
    with pytest.raises(Difference, match=rf"row 2 \(arm arm1\), column mean: {texts[0]}; "):
        compare_rows("table.csv", rows("1", texts[0]), rows("1", texts[1]), "computed again")


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("0.123456789012", "0.123456789013", True),
        ("0.12345678", "0.12345679", False),
        ("1e-17", "0.0", True),
        ("", "", True),
        ("", "0.5", False),
        ("nan", "0.5", False),
        ("True", "False", False),
    ],
)
def test_numbers_may_differ_in_the_last_digits_and_text_may_not(ours, theirs, same):
    if same:
        compare_rows("table.csv", rows(ours), rows(theirs), "")
    else:
        with pytest.raises(Difference):
            compare_rows("table.csv", rows(ours), rows(theirs), "")


def test_figures_may_differ_by_a_grey_level_here_and_there(tmp_path):
    image = np.full((40, 60), 0.5)
    imsave(tmp_path / "kept.png", image, vmin=0, vmax=1)
    image[3, 4] += 2 / 255
    imsave(tmp_path / "again.png", image, vmin=0, vmax=1)
    compare_figures(tmp_path / "kept.png", tmp_path / "again.png")
    image[:, 4] = 1
    imsave(tmp_path / "again.png", image, vmin=0, vmax=1)
    with pytest.raises(Difference, match=r"kept\.png: differs"):
        compare_figures(tmp_path / "kept.png", tmp_path / "again.png")


def test_figures_of_another_size_and_broken_ones(tmp_path):
    imsave(tmp_path / "kept.png", np.zeros((4, 5)))
    imsave(tmp_path / "again.png", np.zeros((4, 6)))
    expected = r"kept\.png: rows, columns and channels \(4, 5, 4\); \(4, 6, 4\) drawn again"
    with pytest.raises(Difference, match=expected):
        compare_figures(tmp_path / "kept.png", tmp_path / "again.png")
    (tmp_path / "kept.png").write_bytes((tmp_path / "again.png").read_bytes()[:40])
    with pytest.raises(Difference, match=r"kept\.png: cannot be read"):
        compare_figures(tmp_path / "kept.png", tmp_path / "again.png")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", "line 2: 'b'; 'x' written again"),
        ("a\n", "a\nb\n", "line 2: ''; 'b' written again"),
        ("y" * 900 + "1" * 900, "y" * 900 + "2" * 900, f"'{'y' * 30}{'1' * 30}'; "),
    ],
)
def test_texts_differ_at_a_line(tmp_path, ours, theirs, expected):
    (tmp_path / "kept").write_text(ours)
    (tmp_path / "again").write_text(theirs)
    with pytest.raises(Difference) as caught:
        compare_texts(tmp_path / "kept", tmp_path / "again")
    assert expected in str(caught.value)
