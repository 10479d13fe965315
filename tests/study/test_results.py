"""What runs left, brought into tables; every number here is known beforehand."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data.files import StateError, read_table
from lib.study.results import open_results
from lib.study.tables import difference, make_tables, write_tables


@pytest.fixture
def results(profile):
    return open_results(profile)


@pytest.fixture
def tables(profile):
    return {path.stem: read_table(path) for path in profile.outputs.glob("*.csv")}


def row(table, **wanted):
    """The only row of a table with these values."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    (found,) = table.itertuples()
    return found


def folder_of(profile, arm, fold="last", seed=0):
    planned = [run for run, _ in open_results(profile).found]
    (run,) = [run for run in planned if (run.arm, run.fold, run.seed) == (arm, fold, seed)]
    return run.folder(profile.outputs)


# Runs ---------------------------------------------------------------------------------------


def test_run_is_told_with_its_pooled_scores_and_whether_it_sees_cells(tables):
    first = row(tables["runs"], arm="none", fold="last", seed=0)
    assert (first.status, first.side, first.updates, first.epochs) == ("completed", "test", 8, 2)
    assert (first.minutes, first.val_loss, first.best_epoch) == (2, pytest.approx(0.16), 1)
    assert first.f1 == pytest.approx(0.9)
    assert first.mean_iou == pytest.approx((54 / 66 + 34 / 46) / 2)
    assert (first.sees_cells, first.processor, first.commit) == (True, "a processor", "abc")
    assert not row(tables["runs"], arm="none", fold="last", seed=1).sees_cells
    assert len(tables["runs"]) == 7 + 6 + 1  # means over seeds train nothing


def test_runs_that_failed_diverged_or_are_damaged(profile):
    folders = [folder_of(profile, "none", seed=seed) for seed in (0, 1)]
    folders[0].rename(folders[0].with_name(".seed0.part"))
    folders[0].with_name(".seed0.part").joinpath("error.txt").write_text("out of memory\n")
    (folders[1] / "metrics.csv").write_text("cut")
    path = folder_of(profile, "faster") / "provenance.json"
    path.write_text(path.read_text().replace("completed", "diverged"))
    tables = make_tables(open_results(profile))
    table = tables["runs"]
    failed, damaged = (row(table, arm="none", fold="last", seed=seed) for seed in (0, 1))
    assert (failed.status, failed.error) == ("failed", "out of memory")
    assert damaged.status == "not run"
    assert pd.isna(damaged.f1)
    assert row(table, arm="faster").status == "diverged"
    assert row(table, arm="faster").f1 == pytest.approx(0.9)
    assert tables["scan"].empty


def test_study_without_a_finished_run(profile):
    for path in profile.outputs.glob("runs/*/*/*/provenance.json"):
        path.unlink()
    with pytest.raises(StateError, match=r"made: no run is finished yet; `make reproduce` goes on"):
        write_tables(profile)


# Tables -------------------------------------------------------------------------------------


def test_mean_over_runs_and_over_both_videos(tables):
    for fold, frames in (("last", 4), ("01to02", 4), ("video", 8)):
        found = row(tables["summary"], arm="none", fold=fold, metric="f1_pooled")
        assert found.mean == pytest.approx(0.85)
        assert (found.n_seeds, found.n_frames) == (2, frames)
        assert (found.ci_low, found.ci_high) == (pytest.approx(0.8), pytest.approx(0.9))


def test_mean_over_runs_of_two_kinds_says_so(tables):
    found = tables["summary"][tables["summary"].metric == "f1_pooled"].set_index(["arm", "fold"])
    assert found.kinds["none", "last"] == "1/2"
    assert found.kinds["none", "video"] == "2/4"
    assert found.kinds["none_tuned", "video"] == "4/4"
    assert pd.isna(found.kinds["all_foreground", "last"])


def test_effect_pairs_the_seeds(tables):
    found = row(tables["effects"], id="recipe", fold="video", metric="f1_pooled")
    assert found.mean == pytest.approx(0.95 - 0.85)
    assert (found.ci_low, found.ci_high) == (pytest.approx(0.05), pytest.approx(0.15))


def test_cells_are_named_by_what_was_averaged(tables):
    seg = tables["cells"][tables["cells"].metric == "seg_gt"].set_index(["arm", "fold"])
    expected = {
        "silver_truth": 1.0,
        "none": 0.6,
        "none_tuned + turns": 0.7,
        "none_tuned + seeds": 0.8,
        "none_tuned + seeds + turns": 0.9,
    }
    for arm, score in expected.items():
        assert seg["mean"][arm, "video"] == pytest.approx(score)
    turns = row(tables["cells_effects"], id="turns_none_tuned", fold="last", metric="seg_gt")
    assert turns.mean == pytest.approx(0.1)


def test_every_way_to_cells_is_scored(tables):
    found = row(tables["cells_methods"], arm="none_tuned", method="components")
    assert (found.seg_gt, found.chosen) == (pytest.approx(0.4), 0)
    assert row(tables["cells_methods"], arm="none_tuned", method="divided").chosen == 1


def test_rate_of_the_run_with_the_lowest_validation_loss_is_chosen(tables):
    assert tables["scan"][["arm", "learning_rate", "chosen"]].to_numpy().tolist() == [
        ["none", 0.001, False],
        ["faster", 0.01, True],
    ]


def test_rates_are_compared_on_the_seeds_that_all_of_them_have(profile):
    path = folder_of(profile, "none", seed=1) / "history.csv"  # the other rate has seed 0 alone
    path.write_text(path.read_text().replace(",0.2\n", ",0.0\n"))
    tables = make_tables(open_results(profile))
    assert row(tables["runs"], arm="none", fold="last", seed=1).val_loss == 0
    scan = tables["scan"].set_index("arm")
    assert scan.val_loss["none"] == pytest.approx(0.16)
    assert scan.chosen["faster"]


def test_only_a_table_with_another_number_is_written_again(profile):
    paths = {path.name: path for path in profile.outputs.glob("*.csv")}
    # As another machine might have written it.
    text = paths["summary.csv"].read_text()
    near = text.replace(",0.9,", ",0.9000000000000001,")
    assert near != text
    paths["summary.csv"].write_text(near)
    before = {name: path.stat().st_mtime_ns for name, path in paths.items()}
    paths["cells.csv"].write_text(paths["cells.csv"].read_text().replace("0.6,", "0.61,", 1))
    write_tables(profile)
    after = {name: path.stat().st_mtime_ns for name, path in paths.items()}
    assert {name for name in before if before[name] != after[name]} == {"cells.csv"}
    assert paths["summary.csv"].read_text() == near


# For notebooks ------------------------------------------------------------------------------


def test_folds_and_raw_tables(results):
    assert results.folds == ["last", "01to02", "02to01", "random"]
    assert results.headline == "video"
    assert set(results.histories.arm) == {"none", "none_tuned", "faster"}
    frames = results.metrics[(results.metrics.arm == "none") & (results.metrics.fold == "random")]
    assert list(frames.frame) == [1, 5, 2, 7]
    assert set(results.cells.seed) == {"0", "1", "mean"}


def test_frames_that_were_kept(results):
    example = results.examples("none", "last")["first"]
    assert (example["video"], example["frame"]) == ("02", 8)
    assert example["probability"].tolist() == [[1, 0]]
    assert results.examples("none", "nowhere") == {}
    image, labels = results.frame("02", 8)
    assert image.tolist() == [[7, 9]]
    assert labels.tolist() == [[1, 0]]
    with pytest.raises(StateError, match=r"frames\.npz: frame 9 of video 02 is not kept"):
        results.frame("02", 9)


def test_broken_file_of_a_run_is_named(profile):
    folder = folder_of(profile, "none")
    (folder / "history.csv").write_text("")
    record = json.loads((folder / "provenance.json").read_text())
    record["files"]["history.csv"]["size"] = 0
    (folder / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(StateError, match=r"last/seed0/history\.csv: cannot be read"):
        write_tables(profile)


# Comparing tables ---------------------------------------------------------------------------


def table(*values):
    return pd.DataFrame({"arm": [f"arm{n}" for n in range(len(values))], "mean": values}, dtype=str)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_table_is_the_same_as_itself_in_other_digits(values):
    ours, theirs = table(*map(repr, values)), table(*(f"{value:.17e}" for value in values))
    assert difference(ours, theirs) is None
    assert difference(ours[["mean"]], pd.DataFrame({"mean": values})) is None


@given(st.data(), st.lists(st.integers(1, 9), min_size=7, max_size=9))
def test_any_changed_digit_of_a_number_is_found(data, digits):
    place = data.draw(st.integers(0, len(digits) - 1))
    other = data.draw(st.sampled_from([digit for digit in range(10) if digit != digits[place]]))
    changed = [*digits[:place], other, *digits[place + 1 :]]
    first, second = ("0." + "".join(map(str, each)) for each in (digits, changed))
    assert difference(table("1", first), table("1", second)) == (
        f"row 2 (arm arm1), column mean: {first}; {second} computed again"
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("0.123456789012", "0.123456789013", True),
        ("0.12345678", "0.12345679", False),
        ("1e-17", "0.0", True),
        ("", "0.5", False),
        ("nan", "0.5", False),
        ("True", "False", False),
    ],
)
def test_numbers_may_differ_in_the_last_digits_and_text_may_not(ours, theirs, same):
    assert (difference(table(ours), table(theirs)) is None) == same


def test_other_columns_and_other_numbers_of_rows():
    assert difference(table("1"), table("1").rename(columns={"mean": "middle"})) == (
        "columns arm, mean; arm, middle computed again"
    )
    assert difference(table("1"), table("1", "2")) == "1 rows; 2 computed again"
    assert difference(table("1", "2"), table("1")) == "2 rows; 1 computed again"
