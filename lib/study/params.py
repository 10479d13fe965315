"""Read params files: what they inherit, what each arm comes to, and every fault at once."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import TypeAdapter, ValidationError

from lib.data.files import OUTPUTS, PARAMS, REFERENCES, ROOT, relative, write_text
from lib.study import schema
from lib.study.schema import FIELDS, Card, ParamsError, arm_on, dotted, from_dotted, written

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What may differ between arms; the rest is set for a whole profile.
OF_ARMS = ("image.", "model.", "augmentation.", "weight_map.", "training.", "grid.seeds")
OF_ARMS += ("evaluation.turns", "evaluation.side")
OF_AN_ARM = [*Card.model_fields, *(key for key in FIELDS if key.startswith(OF_ARMS))]
# What settings and arms of the first edition are called now.
RENAMED = yaml.safe_load((PARAMS / "renamed.yaml").read_text(encoding="utf-8"))
TYPES = {
    key: TypeAdapter(Annotated[field.annotation, field], config=Card.model_config)
    for key, field in (FIELDS | Card.model_fields).items()
}


@dataclass(frozen=True)
class Profile:
    """A params file, resolved."""

    name: str
    path: Path
    outputs: Path
    settings: schema.Settings
    arms: dict  # settings of all arms that are defined; settings.grid.arms are run
    cards: dict  # what stands beside each arm
    warnings: list  # what the file itself sets without an effect


def load(path):
    """Read a params file and everything it inherits; a bare name is looked up in params/.

    ParamsError says every fault at once, each with its file, key, value and cure.
    """
    faults, values, arms = [], {}, {}
    for file, content in _layers(path):
        where, is_base, given = f"{relative(file)}: ", not values, content.pop("arms", None)
        own = _valid(_flat(content), FIELDS, where, faults)
        values |= own
        if missing := [f"{where}{key}: is missing" for key in FIELDS if key not in values]:
            raise ParamsError("\n".join(faults or missing))
        changes = _arms(given or {}, arms, where, faults)
        new = [] if is_base else [name for name in changes if name not in arms]
        values["grid.arms"] = list(dict.fromkeys([*values["grid.arms"], *new]))
        arms |= {name: arms.get(name, {}) | change for name, change in changes.items()}

    known, cards = {}, {}
    for name, change in arms.items():
        if (parent := change.get("inherits")) and parent not in known:
            words = f"{parent!r} is no arm that stands above it{_nearest(parent, known)}"
            faults.append(f"{where}arms.{name}.inherits: {words}")
        before = dotted(known[parent]) if parent in known else values
        change = {key: value for key, value in change.items() if key in FIELDS}
        known[name] = from_dotted(before | change)
        cards[name] = _card(arms[name], change, before)
    wrong = {}
    for name in values["grid.arms"]:
        if name not in known:
            faults.append(f"{where}grid.arms: {name!r} is no arm{_nearest(name, known)}")
        for fault in _impossible(known[name]) if name in known else ():
            wrong.setdefault(fault, []).append(name)
    faults += [f"{where}{fault} (arm {', '.join(names)})" for fault, names in wrong.items()]
    if faults:
        raise ParamsError("\n".join(faults))
    settings = from_dotted(values)
    idle = [] if is_base else [*_idle(own, changes, known, settings.grid.arms, where)]
    return Profile(file.stem, file, OUTPUTS / file.stem, settings, known, cards, idle)


def describe(profile):
    """List every setting for reading: its value as in YAML, what it is, its source, and file."""
    layers, rows = [(file, _flat(content)) for file, content in _layers(profile.path)], []
    for key, value in dotted(profile.settings).items():
        (_, base), (file, _) = layers[0], [layer for layer in layers if key in layer[1]][-1]
        words, source = _comment(key)
        if value != base[key]:
            source = f"this study ({source}: {written(base[key])})"
        row = {"setting": key, "value": written(value), "what it is": words, "source": source}
        rows.append(row | {"set in": file.name})
    return rows


def claim_outputs(profile):
    """Record which params file an outputs folder belongs to; any other is refused then."""
    path = _find(profile.path)
    if path.parent != PARAMS:  # no other file can have the name of one of these
        write_text(profile.outputs / ".params", f"{relative(path)}\n")


def _layers(path):
    """Read a params file and its ancestors, base first: pairs of path and content."""
    path, found = _find(path), {}
    while True:
        found[path] = content = _read(path)
        if path == PARAMS / "base.yaml":
            return reversed(found.items())
        parent = content.pop("inherits", None)
        where = f"{relative(path)}: inherits: {parent!r}"
        if not isinstance(parent, str):
            raise ParamsError(f"{where} has to name a params file, as in 'inherits: quick'")
        beside = path.parent / f"{parent}.yaml"
        path = (beside if beside.exists() else PARAMS / f"{parent}.yaml").resolve()
        if not path.exists():
            near = _nearest(parent, [file.stem for file in PARAMS.glob("*.yaml")])
            raise ParamsError(f"{where} is no params file{near}")
        if path in found:
            raise ParamsError(f"{where} inherits itself")


def _find(path):
    """Find a params file; refuse one whose outputs folder would not be its own."""
    file = Path(os.path.expanduser(path))
    if file.suffix == "" and file.parent == Path("."):
        file = PARAMS / f"{file}.yaml"
    # A link has the outputs of the file that it leads to.
    file = (file if file.exists() else ROOT / file).resolve()
    if file.suffix != ".yaml" or not NAME.fullmatch(file.stem):
        raise ParamsError(
            f"{path or 'PARAMS'}: is no name of a params file; write it as params/mine.yaml, in "
            "letters, digits, '_', '-' and '.', since outputs/mine gets its name"
        )
    shipped, record = PARAMS / file.name, OUTPUTS / file.stem / ".params"
    own = owner = relative(file)
    cure = "give the file another name"
    if shipped.exists():
        owner = relative(shipped)
    elif record.exists():
        owner = record.read_text(encoding="utf-8").strip()
        cure += f" or, if it is that file in another place, delete {relative(record)}"
    if file.exists() and owner != own:
        words = f"would write outputs/{file.stem}, which belongs to {owner}; {cure}"
        raise ParamsError(f"{own}: {words}")
    return file


def _read(path):
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:  # as of a wrong date
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        words = getattr(error, "strerror", None) or getattr(error, "problem", None) or str(error)
        words = f"{line}{words}".partition("\n")[0]
        raise ParamsError(f"{relative(path)}: cannot be read as YAML in UTF-8: {words}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{relative(path)}: has to be a mapping of keys to values")
    return content


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Safe YAML that takes 1e-3 for a number, as YAML 1.2 does, and refuses a key given twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for index, key in enumerate(keys) if key in keys[:index]]:
            words = f"the key {twice[0]!r} is given twice; keep one"
            raise yaml.constructor.ConstructorError(None, None, words, node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+\Z"), list("-+0123456789")
)


def _flat(content):
    """Write sections of settings by dotted names."""
    values = {}
    for key, value in content.items():
        if isinstance(value, dict) and key not in Card.model_fields and "." not in str(key):
            values |= {f"{key}.{name}": part for name, part in value.items()}
        elif value is not None or key not in schema.Settings.model_fields:  # no empty section
            values[str(key)] = value
    return values


def _comment(key):
    """Read what stands beside a setting in base.yaml: what it is and, in brackets, its source."""
    section, name = key.split(".")
    line = rf"^{section}:\n(?:  .*\n)*?  {name}: .*  # (.*?)(?: \(([^()]*)\))?$"
    text = (PARAMS / "base.yaml").read_text(encoding="utf-8")
    return re.search(line, text, re.M).groups(default="")


def _nearest(name, names):
    """Ask whether another name is meant: one that is much alike, of another section, or alike."""
    if now := RENAMED.get(name, RENAMED.get(name.partition(".")[0])):
        return f" since the first edition; {now}"
    much, some = (difflib.get_close_matches(name, names, 1, cutoff) for cutoff in (0.85, 0.5))
    last = [other for other in names if other.rpartition(".")[2] == name.rpartition(".")[2]]
    near = [*much, *last, *some]
    return f"; did you mean {near[0]}?" if near else ""


def _valid(given, keys, where, faults):
    """Keep what can be set; say what is wrong with the rest."""
    wrong = {key: _fault(key, value, keys) for key, value in given.items()}
    faults += [f"{where}{key}: {fault}" for key, fault in wrong.items() if fault]
    return {key: value for key, value in given.items() if not wrong[key]}


def _fault(key, value, keys):
    """Say what is wrong with a value, or None."""
    if key not in keys and key in FIELDS:
        return f"{value!r} cannot differ between arms; set it for the whole profile"
    if key not in keys:
        return f"unknown key (value {value!r}){_nearest(key, keys)}"
    if isinstance(value, dict) and "value" in value:
        return f"is a specification of the first edition; write {key}: {written(value['value'])}"
    try:
        TYPES[key].validate_python(value)
        return None
    except ValidationError as error:
        # The innermost fault of a value says most.
        fault = max(error.errors(), key=lambda fault: len(fault["loc"]))
    within = "" if fault["input"] is value else f" in {value!r}"
    meaning = f" ({_comment(key)[0]})" if key in FIELDS else ""
    return f"{fault['input']!r}{within} {fault['msg'].removeprefix('Value error, ')}{meaning}"


def _arms(given, arms, where, faults):
    """Read what a file says of each arm: changed settings, and what stands beside them."""
    if not isinstance(given, dict):
        faults.append(f"{where}arms: {given!r} has to map names to settings")
        return {}
    changes = {}
    for name, said in given.items():
        at, fault, own = f"{where}arms.{name}", None, said if isinstance(said, dict) else {}
        if own is not said:
            faults.append(f"{at}: {said!r} has to be a mapping, as in {{training.batch: 2}}")
        others = [other for other in (*arms, *changes) if other != name]
        twins = [other for other in others if other.casefold() == str(name).casefold()]
        if not isinstance(name, str):
            fault = "is no text, as YAML reads no, on, null or 7; write the name in quotes"
        elif not NAME.fullmatch(name) or len(name) > 60:  # it is that of a folder
            fault = "has to consist of letters, digits, '_', '-' and '.', at most 60 of them"
        elif name.startswith(REFERENCES):
            fault = "names what is no network; give it another name"
        elif twins:
            fault = f"and {twins[0]!r} differ by case only; give it another name"
        elif name in RENAMED and name not in arms and "inherits" not in own:
            fault = f"is no arm{_nearest(name, arms)}"
        faults += [f"{at}: {name!r} {fault}"] if fault else []
        own = _valid(_flat(own), OF_AN_ARM, f"{at}.", faults)
        changes |= {} if fault else {name: own}
    return changes


def _card(given, change, before):
    """Make the card of an arm; where it has no `about`, that is its difference in settings."""
    card = {key: value for key, value in given.items() if key in Card.model_fields}
    if card.get("inherits") and not card.get("about"):
        steps = [
            f"{key} {written(before[key])} -> {written(value)}"
            for key, value in change.items()
            if value != before[key] and not key.startswith("grid.")
        ]
        card["about"] = ", ".join([f"as {card['inherits']}", *steps])
    return Card.model_validate(card)


def _impossible(arm):
    """Find settings, each valid alone, that cannot be run together."""
    size, depth, dropout = arm.image.size, arm.model.depth, arm.model.dropout
    if size % 2**depth:
        yield f"image.size: {size} is not divisible by 2^model.depth = {2**depth}"
    if dropout * (times := depth // 2 + 1) >= 1:
        yield f"model.dropout: {dropout} times {times} at model.depth {depth} is not below 1"
    changes = [key for key in ("rigid", "elastic", "grey") if getattr(arm.augmentation, key)]
    if arm.augmentation.method != "online" and changes:
        yield f"augmentation.{changes[0]}: true needs augmentation.method: online"
    if arm.augmentation.method == "online" and not changes:
        yield "augmentation.method: 'online' needs rigid, elastic or grey to be true"
    if arm.training.schedule == "cosine" and arm.training.updates == 0:
        yield "training.schedule: 'cosine' needs training.updates, the length of the fall"
    for fold in arm.grid.seeds:
        try:
            arm_on(arm, fold)
        except ParamsError as error:
            yield str(error)


def _idle(own, changes, arms, run, where):
    """Say which settings of a file change nothing in any of the runs that they are set for."""
    given = {"": (own, run)}
    given |= {f"arms.{name}.": (changes[name], [name]) for name in changes if name in run}
    for at, (keys, names) in given.items():
        runs = [dotted(arms[n]) | {"fold": fold} for n in names for fold in arms[n].grid.seeds]
        for key in keys:
            if not any(schema.has_effect(key, values) for values in runs):
                yield f"{where}{at}{key}: has no effect; it would need {schema.NEEDS[key]}"
