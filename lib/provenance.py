"""Where a result came from: code, versions, data, machine, time."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from lib.paths import ROOT

PACKAGES = ("tensorflow", "jax", "keras", "numpy", "scipy", "scikit-image", "pandas", "papermill")


def collect(record):
    """Describe code, environment, data and machine.

    Parameters
    ----------
    record : dict
        The data, as in data.json.

    Returns
    -------
    dict
        commit, dirty, python, packages, data, hardware, threads.
    """
    return {
        **commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "data": record,
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "threads": threads(),
    }


def commit():
    """Name the commit of the code, and whether files differ from it or stand beside it.

    What a run writes under outputs/ does not count: a profile whose results are committed would
    otherwise call itself dirty from its second run on.

    Returns
    -------
    dict
        commit (None outside a repository) and dirty.
    """
    revision = _output("git", "rev-parse", "HEAD")
    changes = _output("git", "status", "--porcelain", "--", ".", ":(exclude)outputs")
    return {"commit": revision or None, "dirty": None if changes is None else bool(changes)}


def threads():
    """Processor threads that a run may use: STUDY_THREADS, which make sets, or 1."""
    return int(os.environ.get("STUDY_THREADS") or 1)


def cards():
    """Name the graphics cards of the machine, whether or not they are used."""
    names = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return (names or "").splitlines()


def _output(*words):
    try:
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _version(name):
    # The processor build of TensorFlow has a distribution name of its own.
    for distribution in (name, f"{name}-cpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
