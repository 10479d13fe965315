"""Read params files, check them against params/base.yaml and resolve the settings of an arm.

Settings are flat: ``{"image.size": 128, "training.batch": 1, ...}``. ``base.yaml`` is the schema
as well as the defaults: it states value, range or choices, unit, role and origin of each.
"""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lib.paths import OUTPUTS, PARAMS, ROOT, relative

# What may differ between arms: these sections, and which of the folds an arm is run on.
ARM_SETTINGS = (
    "image.",
    "model.",
    "augmentation.",
    "weight_map.",
    "training.",
    "scan.",
    "evaluation.turns",
    "grid.folds",
)
# Names that results use for something else: the baselines, and the trials of the scan.
RESERVED_ARMS = (
    "all_foreground",
    "image_blind",
    "local_variance",
    "previous_frame",
    "silver_truth",
    "perfect_mask",
    "references",
)


def is_reference(name):
    """Whether a name stands for what is no network: a baseline, or the labels themselves."""
    return name in RESERVED_ARMS or name.startswith("perfect_gap")


class ParamsError(Exception):
    """All that is wrong with a params file, a line each: file, key, value, remedy."""


@dataclass(frozen=True)
class Profile:
    """A params file, resolved: the settings, and those of each arm."""

    name: str
    path: Path
    settings: dict
    arms: dict
    about: dict
    origins: dict = field(repr=False)
    parents: tuple = ()

    @property
    def outputs(self):
        """Folder of everything that this profile computes."""
        return OUTPUTS / self.name


def load(path):
    """Read a params file and everything it inherits.

    Parameters
    ----------
    path : str or Path
        A YAML file; a name without a folder and ending is looked up in params/.

    Returns
    -------
    Profile

    Raises
    ------
    ParamsError
        With every fault at once, each with its file, key and value.
    """
    _check_name(path)
    files = _inheritance(_locate(path))
    base_path, base = files[0]
    errors, schema = [], _schema(base)
    settings = {key: spec["value"] for key, spec in schema.items()}
    origins = dict.fromkeys(settings, base_path)
    arms, new_arms = {}, []
    for file, content in files:
        where = relative(file)
        overrides = {} if file == base_path else _flatten(content, skip=("arms", "inherits"))
        overrides = _valid(overrides, schema, where, errors)
        settings.update(overrides)
        origins.update(dict.fromkeys(overrides, file))
        if "grid.arms" in overrides:
            # The list stands for all arms before it; those that are new from here on join it.
            new_arms.clear()
        for name, change in _arms(content, where, errors).items():
            if file != base_path and name not in arms:
                new_arms.append(name)
            arms[name] = arms.get(name, {}) | _valid_arm(name, change, schema, where, errors)

    where = relative(files[-1][0])
    settings["grid.arms"] = list(dict.fromkeys([*settings["grid.arms"], *new_arms]))
    resolved = {name: _resolve(name, arms, settings, where, errors) for name in arms}
    profile = Profile(
        name=Path(files[-1][0]).stem,
        path=files[-1][0],
        settings=settings,
        arms=resolved,
        about={name: change.get("about", "") for name, change in arms.items()},
        origins=origins,
        parents=tuple(file.stem for file, _ in files[:-1]),
    )
    errors += _impossible(profile, where)
    if errors:
        # What is wrong with an arm is found again in each that inherits it.
        raise ParamsError("\n".join(dict.fromkeys(errors)))
    return profile


def describe(profile):
    """List every setting for reading: key, value, unit, role, origin, about and its file.

    Parameters
    ----------
    profile : Profile

    Returns
    -------
    list of dict
        Values as they are written in YAML, lists without brackets.
    """
    schema = _schema(_read(PARAMS / "base.yaml"))
    return [
        {
            "setting": key,
            "value": _as_written(profile.settings[key]),
            "unit": spec.get("unit", ""),
            "role": spec["role"],
            "origin": _origin(spec, profile.settings[key]),
            "set in": profile.origins[key].name,
            "about": spec["about"],
        }
        for key, spec in schema.items()
    ]


def _origin(spec, value):
    """Say where the value of a setting comes from, or the one that it stands for."""
    if value == spec["value"]:
        return spec["origin"]
    return f"this study ({spec['origin']}: {_as_written(spec['value'])})"


def _as_written(value):
    if isinstance(value, list):
        return ", ".join(map(_as_written, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_name(path):
    """Refuse a file whose outputs folder would not be its own: its name is the folder's name."""
    file = _locate(path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.yaml", file.name):
        raise ParamsError(
            f"{path or 'PARAMS'}: is no name of a params file; write it as params/mine.yaml, in "
            "letters, digits, '_', '-' and '.', since outputs/mine gets its name"
        )
    own = PARAMS / file.name
    if own.exists() and file.exists() and not own.samefile(file):
        raise ParamsError(
            f"{relative(file)}: would write outputs/{file.stem}, which belongs to "
            f"{relative(own)}; give the file another name"
        )


# Reading ------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, which plain YAML would silently take last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for index, key in enumerate(keys) if key in keys[:index]]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _locate(path):
    path = Path(path)
    if path.suffix == "" and path.parent == Path("."):
        path = PARAMS / f"{path}.yaml"
    if not path.is_absolute() and not path.exists():
        path = ROOT / path
    return path


def _read(path):
    where = relative(path)
    try:
        # The C parser of PyYAML has no hook for keys given twice; these files are short.
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ParamsError(f"{where}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{where}: is not a text file in UTF-8") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        raise ParamsError(f"{where}: is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{where}: has to be a mapping of keys to values")
    return content


def _inheritance(path):
    """Read a file and its ancestors; base first."""
    files, seen = [], []
    while True:
        path = path.resolve()
        if path in seen:
            raise ParamsError(f"{relative(path)}: inherits: {path.stem} inherits itself")
        seen.append(path)
        content = _read(path)
        files.insert(0, (path, content))
        if path == PARAMS / "base.yaml":
            return files
        parent = content.get("inherits")
        if not isinstance(parent, str):
            raise ParamsError(
                f"{relative(path)}: inherits: {parent!r} has to name a params file, as in "
                "'inherits: quick'"
            )
        child, path = path, path.parent / f"{parent}.yaml"
        path = path if path.exists() else PARAMS / f"{parent}.yaml"
        if not path.exists():
            near = _nearest(parent, [file.stem for file in PARAMS.glob("*.yaml")])
            raise ParamsError(f"{relative(child)}: inherits: {parent!r} is no params file{near}")


def _schema(base):
    return {
        f"{section}.{key}": spec
        for section, keys in base.items()
        if section != "arms"
        for key, spec in keys.items()
    }


def _flatten(content, prefix="", skip=()):
    flat = {}
    for key, value in content.items():
        if key in skip:
            continue
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _arms(content, where, errors):
    arms = content.get("arms") or {}
    if not isinstance(arms, dict):
        errors.append(f"{where}: arms: {arms!r} has to map names to settings")
        return {}
    wrong = [name for name, change in arms.items() if not isinstance(change, dict)]
    errors += [f"{where}: arms.{name}: has to be a mapping of settings" for name in wrong]
    return {
        str(name): _flatten(change) for name, change in arms.items() if isinstance(change, dict)
    }


# Checking -----------------------------------------------------------------------------------


def _valid(overrides, schema, where, errors):
    """Keep the valid settings; what is wrong with the others goes to `errors`."""
    valid = {}
    for key, value in overrides.items():
        if key not in schema:
            errors.append(f"{where}: {key}: unknown key (value {value!r}){_nearest(key, schema)}")
        elif fault := _fault(value, schema[key]):
            errors.append(f"{where}: {key}: {value!r} {fault}")
        else:
            valid[key] = value
    return valid


def _valid_arm(name, change, schema, where, errors):
    if not name.replace("_", "").replace("-", "").isalnum():
        errors.append(f"{where}: arms: {name!r} has to consist of letters, digits, _ and -")
    if is_reference(name) or name.startswith("scan_"):
        errors.append(f"{where}: arms: {name!r} names what is no network, or a trial of the scan")
    words = {key: change[key] for key in ("about", "inherits") if key in change}
    own = {key: value for key, value in change.items() if key not in words}
    for key in [key for key, value in words.items() if not isinstance(value, str)]:
        errors.append(f"{where}: arms.{name}.{key}: {words.pop(key)!r} has to be text")
    allowed = {key: spec for key, spec in schema.items() if key.startswith(ARM_SETTINGS)}
    for key in [key for key in own if key in schema and key not in allowed]:
        errors.append(
            f"{where}: arms.{name}.{key}: {own.pop(key)!r} cannot differ between arms; set it for "
            "the whole profile"
        )
    return words | _valid(own, allowed, f"{where}: arms.{name}", errors)


def _nearest(key, keys):
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _fault(value, spec):
    """Say what is wrong with a value, or None."""
    if isinstance(spec["value"], list):
        if not isinstance(value, list) or not value:
            return "has to be a list, as in [a, b]"
        faults = [_scalar_fault(item, spec) for item in value]
        if any(value.count(item) > 1 for item in value):
            faults.append("holds something twice")
        return next((fault for fault in faults if fault), None)
    return _scalar_fault(value, spec)


def _scalar_fault(value, spec):
    alternatives = spec.get("or", [])
    if "choices" in spec:
        return None if value in spec["choices"] else f"has to be one of {spec['choices']}"
    if "range" in spec:
        if isinstance(value, str) and (value in alternatives or "arm" in alternatives):
            return None if _number(value) is None else _as_text(value)
        return _number_fault(value, spec)
    if spec["type"] == "flag":
        return None if isinstance(value, bool) else "has to be true or false"
    return None if isinstance(value, str) else "has to be text"


def _number_fault(value, spec):
    if isinstance(value, str) and _number(value) is not None:
        return _as_text(value)
    low, high = spec["range"]
    whole = isinstance(low, int)
    kind = "a whole number" if whole else "a number"
    unit = f" {spec['unit']}" if "unit" in spec else ""
    kinds = int if whole else (int, float)
    in_range = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    return None if in_range else f"has to be {kind} from {low} to {high}{unit}"


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


def _as_text(value):
    return f"is text in YAML, not a number; write {_number(value):g}, or 1.0e-3 for 1e-3"


def _resolve(name, arms, settings, where, errors, below=()):
    change = dict(arms[name])
    change.pop("about", None)
    parent = change.pop("inherits", None)
    if parent is None:
        return settings | change
    if parent in (name, *below):
        errors.append(f"{where}: arms.{name}.inherits: {parent!r} inherits itself")
    elif parent not in arms:
        errors.append(
            f"{where}: arms.{name}.inherits: {parent!r} is no arm{_nearest(parent, arms)}"
        )
    else:
        return _resolve(parent, arms, settings, where, errors, (*below, name)) | change
    return settings | change


def _impossible(profile, where):
    """Find combinations of settings, each valid alone, that cannot be run."""
    errors, arms = [], profile.arms
    for key in ("grid.arms", "scan.arm"):
        value = profile.settings[key]
        for name in value if isinstance(value, list) else [value]:
            if name not in arms:
                errors.append(f"{where}: {key}: {name!r} is no arm{_nearest(name, arms)}")
    faults = {}
    for name in _needed_arms(profile):
        for fault in _arm_faults(arms[name], profile):
            faults.setdefault(fault, []).append(name)
    return errors + [f"{where}: {fault} (arm {', '.join(at)})" for fault, at in faults.items()]


def _needed_arms(profile):
    """List the arms that are run, and those whose updates or learning rate they take."""
    names = list(profile.settings["grid.arms"])
    listed = [profile.arms[name] for name in names if name in profile.arms]
    names += [settings["training.updates"] for settings in listed]
    names += [
        settings["scan.arm"] for settings in listed if settings["training.learning_rate"] == "scan"
    ]
    return [name for name in dict.fromkeys(names) if name in profile.arms]


def _arm_faults(settings, profile):
    size, depth = settings["image.size"], settings["model.depth"]
    if size % 2**depth:
        yield f"image.size: {size} is not divisible by 2^model.depth = {2**depth}"
    dropout, times = settings["model.dropout"], depth // 2 + 1
    if dropout * times >= 1:
        yield f"model.dropout: {dropout} times {times} at model.depth {depth} is not below 1"
    # `model.unpadded` loses 6 * 2^depth - 4 px on a side; up to 2^depth more make a size that fits.
    if settings["model.network"] == "unpadded" and size < 7 * 2**depth - 4:
        yield f"image.size: {size} is less than the {7 * 2**depth - 4} px that 'unpadded' mirrors"
    changes = [key for key in ("rigid", "elastic", "grey") if settings[f"augmentation.{key}"]]
    online = settings["augmentation.method"] == "online"
    if online and not changes:
        yield "augmentation.method: 'online' needs rigid, elastic or grey to be true"
    if changes and not online:
        yield f"augmentation.{changes[0]}: true needs augmentation.method: online"
    updates = settings["training.updates"]
    if settings["training.schedule"] == "cosine" and updates == 0:
        yield "training.schedule: 'cosine' needs training.updates, the length of the fall"
    if isinstance(updates, str):
        target = profile.arms.get(updates)
        if target is None:
            yield f"training.updates: {updates!r} is no arm{_nearest(updates, profile.arms)}"
        elif isinstance(target["training.updates"], str):
            yield f"training.updates: {updates!r} takes its updates from another arm itself"
    if settings["training.learning_rate"] == "scan":
        name = settings["scan.arm"]
        scanned = profile.arms.get(name)
        if scanned is None:
            yield f"scan.arm: {name!r} is no arm{_nearest(name, profile.arms)}"
        elif scanned["training.learning_rate"] != "scan":
            yield "training.learning_rate: 'scan' needs scan.arm to have 'scan' as well"
