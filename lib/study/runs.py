"""The runs of a profile: which there are, where they lie, and what is still to be done.

A run is a pure function of its settings, the images, its fold and its seed. Its folder's name
carries a digest of the first three, so that a run is done when its folder is there and whole.
"""

import contextlib
import fcntl
import hashlib
import json
from dataclasses import dataclass
from operator import itemgetter

import yaml

from lib.data import files, source
from lib.data.dataset import data_record
from lib.data.files import DataError, StateError, relative
from lib.data.splits import make_split
from lib.study import params, schema
from lib.study.provenance import check_sizes

RUN_FILES = ("params.yaml", "history.csv", "metrics.csv", "cells.csv", "cells.json")
RUN_FILES += ("examples.npz", "provenance.json")
ENSEMBLE_FILES = ("cells.csv", "cells.json", "provenance.json")


@dataclass(frozen=True)
class Run:
    """One training; `seed` is ``seeds`` for the mean over the predictions of several."""

    arm: str
    fold: str
    seed: int | str
    digest: str
    settings: schema.Settings
    needs: tuple = ()

    @property
    def name(self):
        """Path below runs/."""
        last = self.seed if self.seed == "seeds" else f"seed{self.seed}"
        return f"{self.arm}-{self.digest}/{self.fold}/{last}"

    def folder(self, outputs):
        """Folder of the run when it is whole."""
        return outputs / "runs" / self.name

    def partial(self, outputs):
        """Folder of the run while it is under way."""
        folder = self.folder(outputs)
        return folder.with_name(f".{folder.name}.part")


def prepare(profile):
    """Find the images and keep their record in data.json, where every run reads it."""
    params.claim_outputs(profile)
    record = data_record(source.find_source(profile.settings.data))
    path = profile.outputs / "data.json"
    if path.exists():
        before = files.read_json(path)
        same = ("digests", "source") if record["source"] == "phantom" else ("digests", "known")
        if all(before.get(key) == record[key] for key in same):
            return before
        if record["source"] == "phantom" and before.get("source") != "phantom":
            raise StateError(
                f"{relative(path)}: the results are of {before.get('label')}, and now only the "
                f"phantom is found ({record['why']}); set DIC_HELA_DIR or data.folder again"
            )
    files.write_json(path, record)
    return record


def read_record(outputs):
    """Read data.json of a profile; StateError where it is missing or broken."""
    path = outputs / "data.json"
    try:
        return files.read_json(path)
    except StateError as error:
        raise StateError(
            f"{error}; remove the file, and `make reproduce` writes it anew"
        ) from error


def split_of(settings, fold, record):
    """Make the split of a fold.

    Returns
    -------
    splits.Split

    Raises
    ------
    DataError
        If the fold names a video that is not there, or a side would have no frame.
    """
    shares = settings.split.model_dump()
    try:
        return make_split(fold, record["labelled"], **shares)
    except ValueError as error:
        raise DataError(f"grid.seeds: {error}") from error


def plan(profile, record):
    """List the runs of a profile, every arm once before any twice."""
    wanted = [
        (seed, fold, arm)
        for arm in profile.settings.grid.arms
        for fold, count in profile.arms[arm].grid.seeds.items()
        for seed in range(count)
    ]
    runs = [
        _run(profile, record, arm, fold, seed)
        for seed, fold, arm in sorted(wanted, key=itemgetter(0))
    ]
    groups = {}
    for run in runs:
        if run.settings.evaluation.turns:
            groups.setdefault((run.arm, run.fold, run.digest), []).append(run)
    means = [
        Run(arm, fold, "seeds", digest, group[0].settings, tuple(run.name for run in group))
        for (arm, fold, digest), group in groups.items()
        if len(group) > 1
    ]
    return runs + means


def _run(profile, record, arm, fold, seed):
    settings = params.arm_on(profile.arms[arm], fold)
    content = json.dumps([schema.relevant(settings, fold), record["digests"]], sort_keys=True)
    return Run(arm, fold, seed, hashlib.sha256(content.encode()).hexdigest()[:8], settings)


def find(profile, runs, name):
    """Find a run by the name of its folder; StateError lists what there is."""
    for run in runs:
        if run.name == name:
            return run
    near = sorted(run.name for run in runs if run.arm == name.partition("-")[0])
    raise StateError(
        f"{name}: no run of {relative(profile.path)}; there are {', '.join(near or ['none'])}"
    )


def locate(run, profile):
    """Find the whole folder of a run, in the profile's outputs or in those of another profile."""
    own = run.folder(profile.outputs)
    others = sorted(profile.outputs.parent.glob(f"*/runs/{run.name}"))
    for folder in [own, *others]:
        if fault_of(folder, run.seed) is None:
            return folder
    return None


def fault_of(folder, seed=0):
    """Say what a run's folder lacks, or None where it is whole (sizes; digests are verify's)."""
    names = ENSEMBLE_FILES if seed == "seeds" else RUN_FILES
    missing = [name for name in names if not (folder / name).is_file()]
    if len(missing) == len(names):
        return "not there"
    if missing:
        return f"{missing[0]} is missing"
    return check_sizes(folder)


def why(run, profile):
    """Say in a few words why a run is to be done: what changed, or what is damaged."""
    folder = run.folder(profile.outputs)
    fault = fault_of(folder, run.seed)
    if fault != "not there":
        return f"damaged: {fault}"
    if run.partial(profile.outputs).exists():
        return "begun"
    for other in sorted(folder.parents[2].glob(f"{run.arm}-*/{run.fold}/{folder.name}")):
        with contextlib.suppress(OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            before = yaml.safe_load((other / "params.yaml").read_text(encoding="utf-8"))
            if changes := _changes(before["settings"], run.settings.model_dump()):
                return f"settings: {changes}"
            return "other images"
    return "new"


def _changes(before, now):
    found = []
    for section, values in now.items():
        for key, value in values.items():
            old = before.get(section, {}).get(key, value)
            if section not in ("grid", "data") and old != value:
                found.append(f"{section}.{key} {old} -> {value}")
    return ", ".join(found)


def begin(run, profile, record):
    """Make the folder of a run under way, or take up what an interrupted run left there."""
    folder = run.partial(profile.outputs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").unlink(missing_ok=True)
    write_run(folder, run, record)
    return folder


def write_run(folder, run, record):
    """Write params.yaml of a run: all that notebook 04 needs."""
    content = {name: getattr(run, name) for name in ("arm", "fold", "seed", "digest")}
    content |= {"data": record, "settings": run.settings.model_dump()}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    files.write_text(folder / "params.yaml", text)


@contextlib.contextmanager
def locked(folder, what):
    """Hold a lock on a folder; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"{relative(folder)}: another process works on {what}; wait for it, or end it"
            ) from error
        yield


def read_run(folder):
    """Read params.yaml of a run's folder."""
    path = folder / "params.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return content | {"settings": schema.Settings.model_validate(content["settings"])}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise StateError(f"{relative(path)}: not the settings of a run: {reason}") from error
