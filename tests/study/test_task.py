"""What notebook 04 opens."""

from lib.study.params import load
from lib.study.runs import Run, write_run
from lib.study.schema import changed
from lib.study.task import open_task


def test_a_trial_is_scored_on_every_second_validation_frame(tmp_path):
    change = {"evaluation.side": "validation", "split.validation_share": 0.3}
    settings = changed(load("smoke").settings, change)
    record = {"labelled": {"01": [*range(12)], "02": [*range(12)]}}
    write_run(tmp_path, Run("mine", "01to02", 1, "", settings), record)
    job = open_task(tmp_path, params_file="", arm="", fold="", seed=0, updates=0)
    assert (job.arm, job.fold, job.seed, job.settings) == ("mine", "01to02", 1, settings)
    assert job.split.validation == [("01", 9), ("01", 10), ("01", 11)]
    assert job.split.test == [("01", 10)]
