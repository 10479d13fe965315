"""Write files so that a reader never meets half of one."""

import contextlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import yaml


class StateError(Exception):
    """Something that was computed cannot be written, or read again; names the file."""


def write_text(path, text):
    """Write a text file beside its name and rename it when it is whole.

    Parameters
    ----------
    path : Path
    text : str

    Raises
    ------
    StateError
        If the folder is read-only or the disk is full; what was there before stays.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_json(path, record):
    """Write a record as indented JSON."""
    write_text(path, json.dumps(record, indent=2) + "\n")


def write_table(path, table):
    """Write a data frame as CSV without its index, with numbers that read back the same."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_settings(path, settings):
    """Write flat settings as YAML, in their order."""
    write_text(path, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))


def read_arrays(path, what, needed):
    """Read an .npz file without pickle.

    Parameters
    ----------
    path : Path
    what : str
        What the file should hold, for the message.
    needed : sequence of str
        Names of arrays that have to be there.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    StateError
        If the file is missing, broken or without one of the arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StateError(f"{path}: cannot be read as {what} ({error})") from error
    if missing := [name for name in needed if name not in arrays]:
        raise StateError(f"{path}: cannot be read as {what} (it lacks {', '.join(missing)})")
    return arrays


def publish(partial, final):
    """Give a finished folder its name, in place of an older one.

    Parameters
    ----------
    partial, final : Path
        Folders beside each other.

    Raises
    ------
    StateError
        If the folder cannot be renamed; the older one stays.
    """
    old = final.with_name(f".{final.name}.old")
    try:
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(final, old)
        os.replace(partial, final)
    except OSError as error:
        if old.exists() and not final.exists():
            os.replace(old, final)
        raise StateError(f"{final}: cannot be written: {error.strerror or error}") from error
    shutil.rmtree(old, ignore_errors=True)
