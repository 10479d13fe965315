"""The runs of a profile; in the name of each is a digest of its settings, images and fold."""

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections import namedtuple
from dataclasses import dataclass

import yaml

from lib.data import files, source
from lib.data.dataset import data_record
from lib.data.files import NOTEBOOKS, PARAMS, DataError, StateError, relative
from lib.data.splits import make_split
from lib.study import params, schema
from lib.study.provenance import RECORD, fault_of, file_digests

RUN_FILES = ("params.yaml", "history.csv", "metrics.csv", "cells.csv", "cells.json")
RUN_FILES += ("examples.npz", RECORD)
ENSEMBLE_FILES = ("cells.csv", "cells.json", RECORD)
CHAPTERS = ("01_data", "02_augmentation", "03_weight_maps", "04_training")
# These read what the runs left, and the rules.
SUMMARIES = ("05_evaluation", "06_report")
RULES = ("claims.yaml", "published.csv", "published_curves.csv")
# A run, the references or a page that is still to be done: what it makes and waits for, and why.
Job = namedtuple("Job", ["name", "target", "needs", "why"])


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
    def files(self):
        """Names of the files that it leaves."""
        return ENSEMBLE_FILES if self.seed == "seeds" else RUN_FILES

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
        before = read_record(profile.outputs)
        if all(before.get(key) == record[key] for key in ("digests", "known")):
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
        record = files.read_json(path)
        with files.named(path, "is no record of a data set, for want of"):
            return {key: record[key] for key in ("source", "label", "digests", "known")} | record
    except StateError as error:
        raise StateError(f"{error}; remove it, and `make reproduce` writes it anew") from error


def split_of(settings, fold, record):
    """Make the `Split` of a fold; DataError if it cannot be made of the frames there are."""
    try:
        return make_split(fold, record["labelled"], **settings.split.model_dump())
    except ValueError as error:
        raise DataError(f"grid.seeds: {error}") from error


def digest_of(content):
    """Name what something is made from: a SHA-256 in hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plan(profile, record):
    """List the runs of a profile, every arm once before any twice, and then means over seeds."""
    runs, means = [], []
    for arm in profile.settings.grid.arms:
        for fold, count in profile.arms[arm].grid.seeds.items():
            settings = params.arm_on(profile.arms[arm], fold)
            digest = digest_of([schema.relevant(settings, fold), record["digests"]])[:8]
            own = [Run(arm, fold, seed, digest, settings) for seed in range(count)]
            runs += own
            if settings.evaluation.turns and count > 1:
                needs = tuple(run.name for run in own)
                means.append(Run(arm, fold, "seeds", digest, settings, needs))
    return sorted(runs, key=lambda run: run.seed) + means


def find(profile, name):
    """Find a run by the name of its folder, and with it all runs and the record of the data."""
    record = read_record(profile.outputs)
    planned = plan(profile, record)
    for run in planned:
        if run.name == name:
            return run, planned, record
    raise StateError(f"{name}: no run of {relative(profile.path)}")


def locate(run, profile):
    """Find the whole folder of a run, in the profile's outputs or in those of another profile."""
    others = sorted(profile.outputs.parent.glob(f"*/runs/{run.name}"))
    found = [run.folder(profile.outputs), *others]
    return next((folder for folder in found if fault_of(folder, run.files) is None), None)


def why(run, profile):
    """Say in a few words why a run is to be done: what changed, or what is damaged."""
    folder = run.folder(profile.outputs)
    fault = fault_of(folder, run.files)
    if fault != "not there":
        return f"damaged: {fault}"
    if run.partial(profile.outputs).exists():
        return "begun"
    for other in sorted(folder.parents[2].glob(f"{run.arm}-*/{run.fold}/{folder.name}")):
        with contextlib.suppress(OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            before = yaml.safe_load((other / "params.yaml").read_text(encoding="utf-8"))["settings"]
            changes = [
                f"{section}.{key} {old} -> {value}"
                for section, values in run.settings.model_dump(exclude={"grid", "data"}).items()
                for key, value in values.items()
                if (old := before.get(section, {}).get(key, value)) != value
            ]
            return f"settings: {', '.join(changes)}" if changes else "other images"
    return "new"


@contextlib.contextmanager
def under_way(run, profile, record):
    """Work in the folder of a run under way, new or interrupted; whole, it gets its name."""
    folder = run.partial(profile.outputs)
    with locked(folder, run.name):
        (folder / "error.txt").unlink(missing_ok=True)
        write_run(folder, run, record)
        yield folder
        left = files.read_json(folder / RECORD) | {"files": file_digests(folder, RUN_FILES)}
        files.write_json(folder / RECORD, left)
        if fault := fault_of(folder, run.files):
            raise StateError(f"{relative(folder)}: {fault}; the same command makes it again")
        for name in ("checkpoints", "figures"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / ".lock").unlink()
        files.publish(folder, run.folder(profile.outputs))


@contextlib.contextmanager
def locked(folder, what):
    """Hold a lock on a folder; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            said = f"another process works on {what}; wait for it, or end it"
            raise StateError(f"{relative(folder)}: {said}") from error
        yield


def write_run(folder, run, record):
    """Write params.yaml of a run: all that notebook 04 needs."""
    content = {name: getattr(run, name) for name in ("arm", "fold", "seed", "digest")}
    content |= {"data": record, "settings": run.settings.model_dump()}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    files.write_text(folder / "params.yaml", text)


def fingerprint(page, profile, record, runs):
    """Name what a page is made from: its notebook, the data, and the runs it reads."""
    # Not lib/: most changes there change no number, and `make report` writes all pages anew.
    cards = {arm: card.model_dump() for arm, card in profile.cards.items()}
    content = [_text(NOTEBOOKS / f"{page}.ipynb"), record["digests"], cards]
    content.append(profile.settings.model_dump())
    if page in SUMMARIES:
        content.append([run.name for run in runs if locate(run, profile)])
        content += [_text(PARAMS / name) for name in RULES]
    return digest_of(content)[:16]


def references_made(outputs, record, runs):
    """Name what the scores of baselines and ceilings depend on, and digest what was made of it."""
    folds, sizes = {run.fold for run in runs}, {run.settings.image.size for run in runs}
    split = runs[0].settings.split.model_dump()
    key = digest_of([record["digests"], sorted(folds), sorted(sizes), split])[:16]
    return {"key": key, "files": file_digests(outputs, ("references.csv", "frames.npz"))}


def page_path(page, outputs):
    """Where a notebook is shown as a page."""
    return outputs / ("report.html" if page == "06_report" else f"chapters/{page}.html")


def jobs(profile, record):
    """List what is still to be done, each after all that it waits for."""
    outputs, runs, found = profile.outputs, plan(profile, record), {}

    def add(name, target, needs, reason):
        waits = [found[need].target for need in needs if need in found]
        found[name] = Job(name, relative(target), waits, reason)

    for run in runs:
        if locate(run, profile) is None:
            add(run.name, run.folder(outputs) / "provenance.json", run.needs, why(run, profile))
    made, kept = references_made(outputs, record, runs), _text(outputs / "references.json")
    if json.dumps(made, indent=2) != kept.strip():
        reason = "damaged: not the files that were written" if made["key"] in kept else "new"
        add("references", outputs / ".done" / f"references-{made['key']}", (), reason)
    for page in CHAPTERS + SUMMARIES:
        key = fingerprint(page, profile, record, runs)
        done = key in _text(outputs / "notebooks" / f"{page}.ipynb")
        done = done and page_path(page, outputs).is_file()
        reads = list(found) if page in SUMMARIES else []
        if reads or not done:
            reason = "what it shows is made anew" if done else "new or changed"
            add(page, outputs / ".done" / f"{page}-{key}", reads, reason)
    return list(found.values())


def _text(path):
    """Read a file, empty where it is not there; what is made from a key has that key in it."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
