"""The plan: which runs a profile consists of, as data, and which of them are still to be done.

A run is named after its arm, fold and seed. Whether it is done is decided by a fingerprint of its
settings, of the images and of the runs that it depends on, never by the dates of files: an edited
arm is done again and nothing else is.
"""

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from lib import params, scan, splits
from lib.digests import PUBLISHED_DIGESTS, data_record
from lib.files import StateError, publish, write_json, write_text
from lib.paths import NOTEBOOKS, OUTPUTS, PARAMS, ROOT, relative, run_folder
from lib.source import DataError, find_source

# Settings that splits depend on.
SPLIT_KEYS = ("test_share", "validation_share", "seed")
RUN_SETTINGS = (
    "data.name",
    "split.",
    "image.",
    "model.",
    "augmentation.",
    "weight_map.",
    "training.",
    "evaluation.threshold",
    "evaluation.examples",
)
RUN_FILES = (
    "params.yaml",
    "history.csv",
    "metrics.csv",
    "provenance.json",
    "examples.npz",
    "predictions.npz",
    "model.keras",
    "notebook.ipynb",
)
# The settings that a notebook other than 04 shows something of.
NOTEBOOK_SECTIONS = {
    "01_data": ("data.", "split.", "grid.folds"),
    "02_augmentation": ("data.", "image.size", "augmentation.", "split.", "grid.folds"),
    "03_weight_maps": ("data.", "image.size", "weight_map."),
    "05_evaluation": ("",),
    "06_report": ("",),
}
SUMMARIES = ("05_evaluation", "06_report")


@dataclass(frozen=True)
class Run:
    """One training: an arm on a fold with a seed, scored on the test or the validation side."""

    arm: str
    fold: str
    seed: int
    side: str
    settings: dict
    needs: tuple
    fingerprint: str

    @property
    def name(self):
        """Name of the run, and of its folder below runs/."""
        return f"{self.arm}/{self.fold}/seed{self.seed}"

    def folder(self, outputs):
        """Folder of the run when it is whole."""
        return run_folder(outputs, self.arm, self.fold, self.seed)

    def partial(self, outputs):
        """Folder of the run while it is under way."""
        folder = self.folder(outputs)
        return folder.with_name(f".{folder.name}.part")


def prepare(profile):
    """Find the images and write what every run of the profile reads: data.json and the splits.

    Parameters
    ----------
    profile : params.Profile

    Returns
    -------
    dict
        The record of the data, as in data.json.

    Raises
    ------
    DataError
        If the data are missing or broken.
    StateError
        If the outputs folder cannot be written.
    """
    settings = profile.settings
    source = open_source(settings, settings["data.source"])
    record = data_record(source, PUBLISHED_DIGESTS.get(source.name, {}))
    _keep_real_results(profile.outputs, record)
    _check_size(profile, record["shape"])
    write_json(profile.outputs / "data.json", record)
    write_splits(profile, record)
    return record


def _check_size(profile, shape):
    """Refuse frames that are not square, and arms that would see more pixels than there are."""
    where, (rows, columns) = relative(profile.path), shape
    if rows != columns:
        raise DataError(f"{where}: data.name: the frames are {rows} x {columns} px, not square")
    for arm in profile.settings["grid.arms"]:
        size = profile.arms[arm]["image.size"]
        if size > rows:
            raise DataError(
                f"{where}: arms.{arm}: image.size: {size} px is more than the frames have "
                f"({rows} px)"
            )


def _keep_real_results(outputs, record):
    """Refuse to put the phantom in place of real images, as without DIC_HELA_DIR it would be."""
    path = outputs / "data.json"
    if record["source"] == "phantom" and path.exists():
        before = read_record(outputs)
        if before["source"] != "phantom":
            raise StateError(
                f"{relative(outputs)}: holds results of {before['label']}, and now only the "
                "phantom is found; set DIC_HELA_DIR or data.folder again, or remove the results "
                f"with `make clean PARAMS=params/{outputs.name}.yaml` first"
            )


def read_record(outputs):
    """Read data.json of a profile.

    Raises
    ------
    StateError
        If it is missing or broken.
    """
    path = outputs / "data.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read ({error}); run `make data` first") from error


def open_source(settings, kind):
    """Find the images that the settings name.

    Parameters
    ----------
    settings : dict
    kind : str
        As data.source, or the kind that data.json says was found: then nothing else is taken.

    Returns
    -------
    source.Source
    """
    folder = settings["data.folder"]
    return find_source(
        source=kind,
        name=settings["data.name"],
        folder=str(ROOT / Path(folder).expanduser()) if folder else "",
        phantom_seed=settings["data.phantom_seed"],
        phantom_frames=settings["data.phantom_frames"],
        phantom_size=settings["data.phantom_size"],
    )


def split_path(outputs, fold):
    """Name the file that a fold's split is written to."""
    return Path(outputs) / "splits" / f"{fold}.json"


def write_splits(profile, record):
    """Write the split of each fold of a profile, once for every arm."""
    for fold in profile.settings["grid.folds"]:
        split = asdict(_split(profile.settings, fold, record))
        write_text(split_path(profile.outputs, fold), json.dumps(split) + "\n")


def read_split(settings, fold, record, outputs):
    """Read the split of a fold, as it was written once for every arm.

    Raises
    ------
    DataError
        If it cannot be read, or is not the one that the settings give.
    """
    path = split_path(outputs, fold)
    split = splits.read_split(path)
    if split != _split(settings, fold, record):
        raise DataError(f"{path}: another split than the settings give; run `make data` first")
    return split


def _split(settings, fold, record):
    shares = {key: settings[f"split.{key}"] for key in SPLIT_KEYS}
    try:
        return splits.make_split(fold, record["frames"], **shares)
    except ValueError as error:
        raise DataError(f"grid.folds: {error}") from error


# The runs -----------------------------------------------------------------------------------


def plan(profile, record):
    """List the runs of a profile, each after those that it depends on.

    Parameters
    ----------
    profile : params.Profile
    record : dict
        The data, from `prepare`.

    Returns
    -------
    list of Run
    """
    runs = {}
    # All arms once before any twice: a study that is stopped has something to say about each.
    for seed in range(profile.settings["grid.seeds"]):
        for fold in profile.settings["grid.folds"]:
            for arm in profile.settings["grid.arms"]:
                if fold in profile.arms[arm]["grid.folds"]:
                    _add(runs, profile, record, arm, fold, seed)
    return list(runs.values())


def _add(runs, profile, record, arm, fold, seed):
    settings, needs = profile.arms[arm], []
    if settings["training.learning_rate"] == "scan":
        scanned = settings["scan.arm"]
        rates = scan.rates(profile, scanned)
        needs += [_add_trial(runs, profile, record, scanned, rate, fold) for rate in rates]
    if isinstance(settings["training.updates"], str):
        needs.append(_add(runs, profile, record, settings["training.updates"], fold, seed))
    return _keep(runs, record, arm, fold, seed, "test", settings, needs)


def _add_trial(runs, profile, record, arm, rate, fold):
    settings = profile.arms[arm]
    updates = settings["scan.updates"]
    settings = settings | {
        "training.learning_rate": rate,
        "training.updates": updates,
        "training.epoch_updates": math.ceil(updates / 8),
    }
    return _keep(runs, record, scan.trial_name(arm, rate), fold, 0, "validation", settings, [])


def _keep(runs, record, arm, fold, seed, side, settings, needs):
    relevant = _relevant(settings)
    content = [relevant, fold, seed, side, record["digests"], [run.fingerprint for run in needs]]
    run = Run(arm, fold, seed, side, relevant, tuple(run.name for run in needs), _hash(content))
    runs[run.name] = run
    return run


def _relevant(settings):
    return {key: value for key, value in settings.items() if _matters(key, settings)}


def _matters(key, settings):
    """Whether a run with these settings comes out otherwise when one of them changes."""
    if key in ("weight_map.w0", "weight_map.sigma"):
        return settings["weight_map.in_loss"]
    if key in ("evaluation.turns", "training.average", "training.unknown", "training.field"):
        return bool(settings[key])
    return key.startswith(RUN_SETTINGS)


def same_but(settings, others, keys):
    """Whether two arms differ in nothing that matters to a run, apart from some settings.

    Parameters
    ----------
    settings, others : dict
        Settings of an arm each.
    keys : sequence of str
        Settings that may differ.

    Returns
    -------
    bool
    """
    first, second = (_relevant(arm) | dict.fromkeys(keys) for arm in (settings, others))
    return first == second


# What is still to be done -------------------------------------------------------------------


def is_done(run, outputs):
    """Whether a run is there, whole, and was made with these settings from these images."""
    folder = run.folder(outputs)
    if not all((folder / name).exists() for name in RUN_FILES if name != "model.keras"):
        return False
    return _provenance(folder).get("fingerprint") == run.fingerprint


def is_shared(run, parent, outputs):
    """Whether two outputs folders hold the same training, and not two with the same settings."""
    theirs, ours = (_provenance(run.folder(folder)) for folder in (parent, outputs))
    return theirs == ours


def begin(run, outputs):
    """Make the folder of a run under way, or take up the one that an interrupted run left.

    What it left goes if it was made with other settings or from other images.

    Parameters
    ----------
    run : Run
    outputs : Path

    Returns
    -------
    Path
        The folder; it gets the run's name when the run is whole.
    """
    partial = run.partial(outputs)
    mark = partial / "fingerprint"
    if partial.exists() and not (mark.exists() and mark.read_text() == run.fingerprint):
        shutil.rmtree(partial)
    write_text(mark, run.fingerprint)
    (partial / "error.txt").unlink(missing_ok=True)
    return partial


def end(run, outputs):
    """Remove from a finished run what only `begin` needs; nothing where that was done before.

    Parameters
    ----------
    run : Run
    outputs : Path
    """
    folder = run.folder(outputs)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    (folder / "fingerprint").unlink(missing_ok=True)


def find(runs, arm, fold, seed):
    """Find a run in the plan.

    Raises
    ------
    StateError
        If the plan has no such run.
    """
    name = f"{arm}/{fold}/seed{seed}"
    for run in runs:
        if run.name == name:
            return run
    raise StateError(f"{name}: is not in the plan, which has {', '.join(r.name for r in runs)}")


def adopt(run, profile):
    """Take over a run that a parent of the profile has done with the same settings and images."""
    for parent in reversed(profile.parents):
        if is_done(run, OUTPUTS / parent):
            partial = run.partial(profile.outputs)
            shutil.rmtree(partial, ignore_errors=True)
            try:
                shutil.copytree(run.folder(OUTPUTS / parent), partial)
            except OSError as error:
                raise StateError(f"{partial}: cannot be written: {error}") from error
            publish(partial, run.folder(profile.outputs))
            return True
    return False


def notebook_fingerprint(name, profile, record, runs):
    """Fingerprint of everything that an executed notebook other than 04 shows.

    Parameters
    ----------
    name : str
        As 01_data.
    profile : params.Profile
    record : dict
        The data.
    runs : list of Run
        From `plan`.

    Returns
    -------
    str
    """
    sections = NOTEBOOK_SECTIONS[name]
    code = sorted([*ROOT.glob("lib/*.py"), *ROOT.glob("lib/report_template/*")])
    content = [
        {key: value for key, value in profile.settings.items() if key.startswith(sections)},
        record,
        [path.read_text(encoding="utf-8") for path in [*code, NOTEBOOKS / f"{name}.ipynb"]],
    ]
    published = [*sorted(PARAMS.glob("*.csv")), PARAMS / "claims.yaml"]
    content.append([path.read_text(encoding="utf-8") for path in published])
    if name == "02_augmentation":
        content.append(_online_augmentation(profile))
    if name == "03_weight_maps":
        # It draws the map of this arm, too.
        content.append(params.load("base").arms["gap_weighted_25"]["weight_map.sigma"])
    if name in SUMMARIES:
        content.append([[run.name, run.fingerprint, is_done(run, profile.outputs)] for run in runs])
        content.append(profile.about)
    if name == "05_evaluation":
        # It draws the network of the published size.
        content.append(params.load("paper").arms["augmented"])
    if name == "06_report":
        content += [_larger(profile), params.describe(profile)]
    return _hash(content)


def _larger(profile):
    """Collect what `sizes` reads of the profile full_size, where that inherits this one."""
    larger = params.load("full_size")
    if profile.name not in larger.parents:
        return None
    folder = ROOT / "outputs" / larger.name
    paths = sorted([*folder.glob("*.csv"), *folder.glob("runs/*.csv"), *folder.glob("data.json")])
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [larger.settings, larger.arms, texts]


def _online_augmentation(profile):
    return {
        arm: {key: value for key, value in settings.items() if key.startswith("augmentation.")}
        for arm, settings in profile.arms.items()
        if settings["augmentation.method"] == "online"
    }


def notebook_done(name, fingerprint, outputs):
    """Whether an executed notebook is there and still shows what it would show now."""
    path = outputs / "notebooks" / f"{name}.ipynb"
    if not path.exists() or (name == "06_report" and not (outputs / "report.html").exists()):
        return False
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    except (ValueError, KeyError):
        return False
    return metadata.get("study", {}).get("fingerprint") == fingerprint


def _provenance(folder):
    try:
        return json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _hash(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
