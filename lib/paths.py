"""Where things lie, whatever folder a notebook was opened in."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
# `lib.verify` sets the variable, to compute results again beside those that are kept.
OUTPUTS = Path(os.environ.get("STUDY_OUTPUTS") or ROOT / "outputs")


def relative(path):
    """Write a path as a reader sees it: from the project's root if it lies below it."""
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def run_folder(outputs, arm, fold, seed):
    """Name the folder of one run under a profile's outputs."""
    return Path(outputs) / "runs" / arm / fold / f"seed{seed}"
