"""Where a result came from: code, versions, data, machine; and whether its files are whole."""

import os
import platform
import re
import subprocess
from functools import partial
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path

from lib.data.files import ROOT, StateError, read_json

PACKAGES = ("tensorflow", "jax", "keras", "numpy", "scipy", "scikit-image", "pandas", "papermill")
RECORD = "provenance.json"
# Processor threads that a run may use; make sets the variable.
THREADS = int(os.environ.get("STUDY_THREADS") or 1)
# Files of a run that a fresh clone does not have; where they are, they have to be whole.
NOT_COMMITTED = ("model.keras", "predictions.npz", "notebook.ipynb")


def collect(record):
    """Describe code, versions, machine and data, of which `record` is what data.json says."""
    # The processor build of TensorFlow has a distribution name of its own.
    found = {one.name.replace("_", "-").removesuffix("-cpu"): one for one in distributions()}
    path = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", path.read_text("utf-8") if path.exists() else "")
    processor = names[0] if names else platform.processor()
    system = f"{platform.system()} {platform.machine()}"
    return commit() | {
        "python": platform.python_version(),
        "packages": {name: found[name].version for name in PACKAGES if name in found},
        "data": record,
        "hardware": {"processor": processor, "cores": os.cpu_count(), "system": system},
        "threads": THREADS,
    }


def commit():
    """Name the commit and say whether code beside outputs/ differs; None outside a repository."""
    ask = partial(subprocess.check_output, cwd=ROOT, stderr=subprocess.DEVNULL, text=True)
    try:
        head = ask(["git", "rev-parse", "HEAD"])
        changes = ask(["git", "status", "--porcelain", "--", ".", ":(exclude)outputs"])
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": head.strip(), "dirty": bool(changes)}


def earlier_code(folders):
    """Say how many runs were made at another commit than today's; nothing where none was."""
    now = commit()["commit"]
    made = [read_json(folder / RECORD).get("commit") for folder in folders]
    earlier = [one for one in made if one and now and one != now]
    words = f"{len(earlier)} runs were made by earlier code, at {len(set(earlier))} commits"
    return f"{words}; their numbers stand" if earlier else ""


def file_digests(folder, names):
    """Size and SHA-256 of a run's files, and of those not committed; its record has them."""
    paths = [folder / name for name in (*names, *NOT_COMMITTED) if name != RECORD]
    kept = {path.name: path.read_bytes() for path in paths if path.is_file()}
    return {name: {"size": len(it), "sha256": sha256(it).hexdigest()} for name, it in kept.items()}


def fault_of(folder, names, *, read=False):
    """Say what is wrong with a run's folder, or None: sizes, and digests if they are `read`."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return "not there" if len(missing) == len(names) else f"{missing[0]} is missing"
    try:
        left = read_json(folder / RECORD)["files"]
        left = [(folder / name, left[name]["size"], left[name]["sha256"]) for name in left]
    except (StateError, KeyError, TypeError):
        return f"{RECORD}: cannot be read, or does not say which files the run left"
    for path, size, digest in left:
        if not path.is_file():
            if path.name not in NOT_COMMITTED:
                return f"{path.name} is missing"
        elif (found := path.stat().st_size) != size:
            return f"{path.name}: has {found} bytes, and {size} were written"
        elif read and sha256(path.read_bytes()).hexdigest() != digest:
            return f"{path.name}: is not the file that was written: its SHA-256 is another"
    return None
