"""Where things lie, and files written so that a reader never meets half of one."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
# STUDY_OUTPUTS names another folder, for results beside those that are published.
OUTPUTS = Path(os.environ.get("STUDY_OUTPUTS") or ROOT / "outputs")
# What stands beside arms in tables of results and is no network: baselines, and perfect answers.
REFERENCES = ("all_foreground", "image_blind", "local_variance", "previous_frame", "silver_truth")
REFERENCES += ("perfect_mask", "perfect_gap")  # which may have a width behind it


class StateError(Exception):
    """Something that was computed cannot be written, or read again; names the file."""


class DataError(Exception):
    """Data that are missing, broken or not what was expected; names the file."""


def relative(path):
    """Write a path as a reader sees it: from the project's root if it lies below it."""
    path = Path(os.path.abspath(path))  # a link stays one
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


@contextlib.contextmanager
def named(path, fault="cannot be read", kind=StateError):
    """Let what goes wrong with a file be an error of the study, in one line."""
    try:
        yield
    except (StateError, DataError):
        raise
    except Exception as error:  # decoders of files share no class of errors
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise kind(f"{relative(path)}: {fault}: {reason.splitlines()[0]}") from error


@contextlib.contextmanager
def whole(path):
    """Give a file to write beside a path, which replaces it when it is whole and on the disk."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with named(path, "cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def write_text(path, text):
    """Write a text file as by `whole`."""
    with whole(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path, record):
    """Write a record."""
    write_text(path, json.dumps(record, indent=2) + "\n")


def write_table(path, table):
    """Write a data frame as CSV without its index, with numbers that read back the same."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_json(path):
    """Read a record; StateError names the file where it is missing or broken."""
    with named(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def read_table(path):
    """Read a CSV file whose column ``video`` is text; StateError names the file."""
    import pandas as pd  # takes longer than all else that a plan of runs needs

    with named(path):
        return pd.read_csv(path, dtype={"video": str})


def read_arrays(path, what, needed):
    """Read an .npz file that should hold `what`, with the arrays `needed`; else StateError."""
    with named(path, f"cannot be read as {what}"):
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        if missing := [name for name in needed if name not in arrays]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return arrays


def publish(partial, final):
    """Give a finished folder its name; an older one lies beside it until then."""
    old = final.with_name(f".{final.name}.old")
    with named(final, "cannot be written"):
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(final, old)
        os.replace(partial, final)
    shutil.rmtree(old, ignore_errors=True)
