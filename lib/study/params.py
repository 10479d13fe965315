"""Read params files: what they inherit, what each arm comes to, and every fault at once."""

import dataclasses
from pathlib import Path

from pydantic import ValidationError

from lib.data.files import OUTPUTS, PARAMS, StateError, is_reference, relative, write_text
from lib.study import schema
from lib.study.layers import NAME, flat, layers, nearest, renamed
from lib.study.schema import FIELDS, Card, ParamsError, arm_on, dotted, from_dotted, written

# What may differ between arms; the rest is set for a whole profile.
OF_ARMS = ("image.", "model.", "augmentation.", "weight_map.", "training.", "grid.seeds")
OF_ARMS += ("evaluation.turns", "evaluation.side")


@dataclasses.dataclass(frozen=True)
class Profile:
    """A params file, resolved: its settings, those of each arm, and what stands beside the arm."""

    name: str
    path: Path
    settings: schema.Settings
    arms: dict
    cards: dict
    origins: dict = dataclasses.field(repr=False)
    parents: tuple
    warnings: tuple = ()

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
        `arms` holds every arm that is defined, `settings.grid.arms` those that are run;
        `warnings` say what the file itself sets without an effect.

    Raises
    ------
    ParamsError
        With every fault at once, each with its file, key, value and cure.
    """
    faults, values, origins, arms, joined = [], {}, {}, {}, []
    read = layers(path)
    for file, content in read:
        where, is_base = f"{relative(file)}: ", file == read[0][0]
        own = flat({key: content[key] for key in content if key not in ("arms", "inherits")})
        own = _valid(own, FIELDS, where, values, faults)
        values |= own
        origins |= dict.fromkeys(own, file)
        if missing := [f"{where}{key}: is missing" for key in FIELDS if key not in values]:
            raise ParamsError("\n".join(faults or missing))
        if "grid.arms" in own:  # stands for all arms before it; those new from here on join it
            joined.clear()
        changes = _arms(content.get("arms"), where, values, arms, faults)
        joined += [name for name in changes if name not in arms and not is_base]
        arms |= {name: arms.get(name, {}) | change for name, change in changes.items()}

    values["grid.arms"] = list(dict.fromkeys([*values["grid.arms"], *joined]))
    resolved = {name: from_dotted(values | _inherited(name, arms, where, faults)) for name in arms}
    faults += _impossible(values["grid.arms"], resolved, where)
    if faults:  # those of an arm are found again in each that inherits it
        raise ParamsError("\n".join(dict.fromkeys(faults)))
    idle = [] if is_base else _idle(own, changes, resolved, values["grid.arms"])
    return Profile(
        name=file.stem,
        path=file,
        settings=from_dotted(values),
        arms=resolved,
        cards={name: _card(name, arms[name], resolved) for name in arms},
        origins=origins,
        parents=tuple(parent.stem for parent, _ in read[:-1]),
        warnings=tuple(where + words for words in idle),
    )


def describe(profile):
    """List every setting for reading: setting, value as in YAML, unit, source, and its file."""
    base, rows = dotted(load("base").settings), []
    for key, value in dotted(profile.settings).items():
        unit, _, source = FIELDS[key].description.partition("; ")
        if value != base[key]:
            source = f"this study ({source}: {written(base[key])})"
        cells = (key, written(value), unit, source, profile.origins[key].name)
        rows.append(dict(zip(("setting", "value", "unit", "source", "set in"), cells, strict=True)))
    return rows


def claim_outputs(profile):
    """Record which params file an outputs folder belongs to; StateError if it is another's."""
    record, own = profile.outputs / ".params", relative(profile.path)
    if profile.path.parent == PARAMS:  # no other file can have this name
        return
    if not record.exists():
        write_text(record, f"{own}\n")
    elif (owner := record.read_text(encoding="utf-8").strip()) != own:
        raise StateError(
            f"{own}: would write outputs/{profile.name}, which belongs to {owner}; give the file "
            f"another name or, if it is that file in another place, delete {relative(record)}"
        )


def _valid(given, keys, where, values, faults):
    """Keep what can be set beside other values; say what is wrong with the rest."""
    wrong = {key: _unknown(key, value, keys) for key, value in given.items() if key not in keys}
    card = {key: value for key, value in given.items() if key in Card.model_fields}
    own = {key: value for key, value in given.items() if key not in card and key not in wrong}
    for make, part, depth in ((Card.model_validate, card, 1), (from_dotted, values | own, 2)):
        try:
            make(part)
        except ValidationError as error:
            # The innermost fault of a value says most.
            for fault in sorted(error.errors(), key=lambda fault: -len(fault["loc"])):
                key = ".".join(fault["loc"][:depth])
                if key in given:
                    wrong.setdefault(key, _refusal(key, given[key], fault))
    faults += [f"{where}{key}: {words}" for key, words in wrong.items()]
    return {key: value for key, value in given.items() if key not in wrong}


def _refusal(key, value, fault):
    said, now = fault["msg"].removeprefix("Value error, "), None
    if isinstance(value, dict) and "value" in value:
        now = f"{renamed()['specification']} {key}: {written(value['value'])}"
    elif isinstance(value, str) and "text in YAML" not in said:
        old = renamed()["values"].get(key, {})
        now = old.get(value, old.get("*"))
    within = "" if fault["input"] is value else f" in {value!r}"
    said = f"{fault['input']!r}{within} {said}"
    return f"{value!r} is of the first edition; {now}" if now else said


def _unknown(key, value, keys):
    old = renamed()["keys"]
    if now := old.get(key, old.get(key.partition(".")[0])):
        return f"is of the first edition (value {value!r}); {now}"
    if key in FIELDS:
        return f"{value!r} cannot differ between arms; set it for the whole profile"
    return f"unknown key (value {value!r}){nearest(key, keys)}"


def _no_arm(name, arms):
    now = renamed()["arms"].get(name)
    return f"{name!r} is no arm{f' since the first edition; {now}' if now else nearest(name, arms)}"


def _arms(given, where, values, arms, faults):
    """Read what a file says of each arm: changed settings, and what stands beside them."""
    if not isinstance(given or {}, dict):
        faults.append(f"{where}arms: {given!r} has to map names to settings")
        return {}
    keys = [*Card.model_fields, *(key for key in FIELDS if key.startswith(OF_ARMS))]
    changes = {}
    for name, change in (given or {}).items():
        at = f"{where}arms.{name}"
        if fault := _name_fault(name, [*arms, *changes]):
            faults.append(f"{at}: {fault}")
        if not isinstance(change, dict):
            faults.append(f"{at}: {change!r} has to be a mapping, as in {{training.batch: 2}}")
            continue
        if name not in arms and "inherits" not in change and name in renamed()["arms"]:
            faults.append(f"{at}: {_no_arm(name, arms)}")
        change = _valid(flat(change, Card.model_fields), keys, f"{at}.", values, faults)
        changes |= {} if fault else {name: change}
    return changes


def _name_fault(name, others):
    """Say what is wrong with the name of an arm, which is that of a folder, or None."""
    if not isinstance(name, str):
        return f"{name!r} is no text, as YAML reads no, on, null or 7; write the name in quotes"
    if not NAME.fullmatch(name) or len(name) > 60:
        return f"{name!r} has to consist of letters, digits, '_', '-' and '.', at most 60 of them"
    if is_reference(name):
        return f"{name!r} names what is no network; give it another name"
    near = [other for other in others if other != name and other.casefold() == name.casefold()]
    return f"{name!r} and {near[0]!r} differ by case only; give it another name" if near else None


def _inherited(name, arms, where, faults, below=()):
    """Gather the settings that an arm changes: its own before those of the arms it inherits."""
    changes = {key: value for key, value in arms[name].items() if key in FIELDS}
    parent, below = arms[name].get("inherits"), (*below, name)
    if parent and (parent in below or parent not in arms):
        words = f"{parent!r} inherits itself" if parent in below else _no_arm(parent, arms)
        faults.append(f"{where}arms.{name}.inherits: {words}")
    elif parent:
        return _inherited(parent, arms, where, faults, below) | changes
    return changes


def _card(name, change, resolved):
    """Make the card of an arm; where it has no `about`, that is its difference in settings."""
    card = Card.model_validate({key: change[key] for key in change if key in Card.model_fields})
    if card.about or not card.inherits:
        return card
    before, after = dotted(resolved[card.inherits]), dotted(resolved[name])
    steps = [
        f"{key} {written(before[key])} -> {written(value)}"
        for key, value in after.items()
        if value != before[key] and not key.startswith("grid.")
    ]
    return card.model_copy(update={"about": ", ".join([f"as {card.inherits}", *steps])})


def _impossible(run, arms, where):
    """Find combinations of settings, each valid alone, that cannot be run."""
    faults = {}
    for name in run:
        for fault in _arm_faults(arms[name]) if name in arms else ():
            faults.setdefault(fault, []).append(name)
    yield from (f"{where}grid.arms: {_no_arm(name, arms)}" for name in run if name not in arms)
    yield from (f"{where}{fault} (arm {', '.join(at)})" for fault, at in faults.items())


def _arm_faults(arm):
    size, depth, dropout = arm.image.size, arm.model.depth, arm.model.dropout
    if size % 2**depth:
        yield f"image.size: {size} is not divisible by 2^model.depth = {2**depth}"
    if dropout * (times := depth // 2 + 1) >= 1:
        yield f"model.dropout: {dropout} times {times} at model.depth {depth} is not below 1"
    online = arm.augmentation.method == "online"
    changes = [key for key in ("rigid", "elastic", "grey") if getattr(arm.augmentation, key)]
    if online and not changes:
        yield "augmentation.method: 'online' needs rigid, elastic or grey to be true"
    if changes and not online:
        yield f"augmentation.{changes[0]}: true needs augmentation.method: online"
    if arm.training.schedule == "cosine" and arm.training.updates == 0:
        yield "training.schedule: 'cosine' needs training.updates, the length of the fall"
    for fold in arm.grid.seeds:
        try:
            arm_on(arm, fold)
        except ParamsError as error:
            yield str(error)


def _idle(own, changes, arms, run):
    """Say which settings of a file change nothing in any of the runs that they are set for."""
    given = [("", own, run)] + [(f"arms.{n}.", changes[n], [n]) for n in changes if n in run]
    for at, keys, names in given:
        runs = [dotted(arms[n]) | {"fold": fold} for n in names for fold in arms[n].grid.seeds]
        for key in (key for key in keys if key in schema.NEEDS):
            if not any(schema.has_effect(key, values) for values in runs):
                other, needed = schema.NEEDS[key]
                needed = " or ".join(map(written, needed))
                yield f"{at}{key}: has no effect; it would need {other}: {needed}"
