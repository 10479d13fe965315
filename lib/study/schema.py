"""What a params file may say: every setting with its type, bounds, unit and source."""

import math
import re
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from lib.data.files import ROOT

# Read off the text: to import the networks would cost the seconds that Keras takes to start.
_MODELS = (ROOT / "lib" / "network" / "model.py").read_text(encoding="utf-8")
NETWORKS = re.findall(r"^def ([a-z]\w*)\(shape,", _MODELS, re.M)


class ParamsError(Exception):
    """All that is wrong with a params file, a line each: file, key, value, cure."""


def _setting(kind, words, source="", unit="", **bounds):
    """Make a type whose values, where they are refused, are told what they have to be."""

    def check(value, validate):
        if kind in (int, float) and isinstance(value, str) and (number := _as_number(value)):
            raise ValueError(f"is text in YAML, not a number; write {number}, or 1.0e-3 for 1e-3")
        try:
            return validate(value)
        except ValidationError as error:
            if error.errors()[0]["loc"]:  # a part of it is wrong, and says so itself
                raise
            raise ValueError(words) from error

    described = Field(description=f"{unit}; {source}", **bounds)
    return Annotated[kind, described, WrapValidator(check)]


def written(value):
    """Write a value as in YAML, in a line."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n")[:-1]


def _as_number(text):
    """Write a number that YAML takes for text, such as 1e-3 or '64', so that it is a number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return written(int(number) if number.is_integer() else number)


def _whole(low, high, unit, source):
    words = f"has to be a whole number from {low} to {high} {unit}".rstrip()
    return _setting(int, words, source, unit, ge=low, le=high)


def _number(low, high, unit, source, more=""):
    words = f"has to be a number from {low} to {high} {unit}".rstrip() + more
    return _setting(float, words, source, unit, ge=low, le=high)


def _choice(*options, source):
    return _setting(Literal[options], f"has to be one of {list(options)}", source)


def _flag(source):
    return _setting(bool, "has to be true or false", source)


def _text(source="", words="has to be text", **bounds):
    return _setting(str, words, source, **bounds)


def _once(values):
    if len(set(values)) < len(values):
        raise ValueError("holds something twice")
    return values


Fold = _text(
    words="has to be last, random or two videos as in 01to02",
    pattern=r"^(last|random|([0-9]{2})to(?!\2)[0-9]{2})\Z",
)
Rate = _number(1.0e-9, 10.0, "", "not in the report", ", or one a fold as in {last: 1.0e-3}")


class Section(BaseModel):
    """A part of the settings; nothing in it may be misspelt, nothing changes later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, regex_engine="python-re", protected_namespaces=()
    )


class Data(Section):
    """Where the images come from."""

    source: _choice("auto", "folder", "download", "phantom", source="ours")
    folder: _text("ours")
    name: _text(
        "report, section 3",
        "has to be letters, digits, '+', '_' and '-', as in DIC-C2DH-HeLa",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9+_-]*\Z",
    )
    pixel: _number(0.0, 1000.0, "micrometres", "challenge")
    phantom_seed: _whole(0, 1_000_000, "", "ours")
    phantom_frames: _whole(10, 200, "frames", "report, section 3")
    phantom_size: _setting(
        list[_whole(64, 1024, "px", "")],
        "has to be rows and columns, as in [512, 512]",
        "report, section 3",
        "px",
        min_length=2,
        max_length=2,
    )


class Split(Section):
    """Which frames are trained on, chosen on and tested on."""

    test_share: _number(0.05, 0.5, "", "report, section 3")
    validation_share: _number(0.05, 0.5, "", "notebook")
    seed: _whole(0, 1_000_000, "", "ours")


class Image(Section):
    """What the network sees."""

    size: _whole(16, 1024, "px", "report, section 3")
    normalise: _choice("none", "frame", source="notebook")


class Model(Section):
    """The network."""

    network: _choice(*NETWORKS, source="U-Net paper, figure 1")
    filters: _whole(1, 128, "channels", "U-Net paper, figure 1")
    depth: _whole(1, 6, "levels", "U-Net paper, figure 1")
    normalisation: _choice("none", "batch", source="notebook")
    dropout: _number(0.0, 0.3, "", "report, section 4.1")


class Augmentation(Section):
    """How training images are changed."""

    method: _choice("none", "static", "repeat", "online", source="report, section 4.3")
    copies: _whole(1, 1000, "copies a frame", "report, section 4.3")
    rotation: _number(0.0, 180.0, "degrees", "notebook")
    shift: _number(0.0, 0.5, "of the size", "notebook")
    shear: _number(0.0, 45.0, "degrees", "notebook")
    zoom: _number(0.0, 0.5, "", "notebook")
    rigid: _flag("U-Net paper, section 3.1")
    elastic: _flag("U-Net paper, section 3.1")
    grey: _flag("U-Net paper, section 3.1")
    online_scale: _number(0.0, 0.5, "", "ours")
    elastic_sigma: _number(0.0, 50.0, "px at 512 px", "U-Net paper, section 3.1")
    grey_sigma: _number(0.0, 1.0, "deviations of the frame", "ours")


class WeightMap(Section):
    """How much each pixel counts in the loss."""

    terms: _choice("none", "class", "border", "both", source="U-Net paper, section 3")
    w0: _number(0.0, 100.0, "", "U-Net paper, section 3")
    sigma: _number(0.5, 50.0, "px at 512 px", "U-Net paper, section 3")


class Training(Section):
    """How the network learns."""

    target: _choice("mask", "gap", "border", "distance", source="U-Net paper, section 3")
    unknown: _number(0.0, 200.0, "px at 512 px", "ours")
    optimiser: _choice("sgd", "adam", source="report, section 4.1")
    momentum: _number(0.0, 0.999, "", "report, section 4.1")
    learning_rate: Annotated[
        Rate | Annotated[dict[Fold, Rate], Field(min_length=1)],
        Field(description="; not in the report"),
    ]
    schedule: _choice("constant", "cosine", source="notebook")
    batch: _whole(1, 64, "frames", "report, section 4.1")
    epochs: _whole(1, 10_000, "epochs", "report, section 4.4")
    patience: _whole(1, 10_000, "epochs", "report, section 4.4")
    updates: _whole(0, 10_000_000, "updates", "ours")
    epoch_updates: _whole(0, 1_000_000, "updates", "ours")
    precision: _choice("float32", "mixed_bfloat16", source="ours")


class Evaluation(Section):
    """How a run is scored."""

    side: _choice("test", "validation", source="ours")
    threshold: _number(0.0, 1.0, "", "notebook")
    turns: _flag("U-Net paper, section 4")
    examples: _whole(1, 12, "frames", "ours")
    resamples: _whole(100, 100_000, "resamples", "ours")
    block: _whole(1, 84, "frames", "ours")


class Grid(Section):
    """What a profile runs."""

    arms: _setting(
        Annotated[list[_text()], AfterValidator(_once)],
        "has to be a list without anything twice, as in [a, b]",
        "ours",
        min_length=1,
    )
    seeds: _setting(
        dict[Fold, _whole(1, 20, "runs", "")],
        "has to map folds to numbers of runs, as in {last: 1}",
        "ours",
        "runs",
        min_length=1,
    )


class Settings(Section):
    """Every setting of a profile, or of one of its arms."""

    data: Data
    split: Split
    image: Image
    model: Model
    augmentation: Augmentation
    weight_map: WeightMap
    training: Training
    evaluation: Evaluation
    grid: Grid


class Card(Section):
    """What stands beside an arm: how it is named, drawn and asked."""

    inherits: _text() = ""
    group: _text() = "mine"
    words: _text() = ""
    colour: _text(
        words='has to be a colour as in "#d55e00", in quotes, since # begins a comment',
        pattern=r"^#[0-9a-fA-F]{6}\Z",
    ) = "#d55e00"
    about: _text() = ""
    question: _text() = ""
    published: _text() = ""


FIELDS = {
    f"{section}.{name}": field
    for section, part in Settings.model_fields.items()
    for name, field in part.annotation.model_fields.items()
}


def dotted(settings):
    """List settings by dotted names, as in ``{"image.size": 128}``."""
    parts = settings.model_dump().items()
    return {f"{section}.{name}": value for section, part in parts for name, value in part.items()}


def from_dotted(values):
    """Make settings of values by dotted names; pydantic's ValidationError says what is wrong."""
    nested = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    return Settings.model_validate(nested)


def changed(settings, changes):
    """Return settings with some of them changed, by dotted names such as ``image.size``."""
    return from_dotted(dotted(settings) | changes)


def arm_on(settings, fold):
    """Return the settings of an arm on a fold, whose learning rate is then a number."""
    rate = settings.training.learning_rate
    if not isinstance(rate, dict):
        return settings
    if fold not in rate:
        raise ParamsError(
            f"training.learning_rate: {written(rate)} has no rate for the fold {fold}; add it"
        )
    return changed(settings, {"training.learning_rate": rate[fold]})


# Settings that have an effect only where another, or the fold, has one of these values.
NEEDS = {
    key: (other, values)
    for keys, other, values in (
        ("data.folder", "data.source", ["auto", "folder"]),
        ("data.phantom_seed data.phantom_frames", "data.source", ["auto", "phantom"]),
        ("data.phantom_size", "data.source", ["auto", "phantom"]),
        ("split.test_share", "fold", ["last", "random"]),
        ("split.seed", "fold", ["random"]),
        ("augmentation.copies", "augmentation.method", ["static", "repeat"]),
        ("augmentation.rotation augmentation.shift", "augmentation.method", ["static"]),
        ("augmentation.shear augmentation.zoom", "augmentation.method", ["static"]),
        ("augmentation.online_scale", "augmentation.rigid", [True]),
        ("augmentation.elastic_sigma", "augmentation.elastic", [True]),
        ("augmentation.grey_sigma", "augmentation.grey", [True]),
        ("weight_map.w0 weight_map.sigma", "weight_map.terms", ["border", "both"]),
        ("training.momentum", "training.optimiser", ["sgd"]),
        ("training.epochs training.patience", "training.updates", [0]),
    )
    for key in keys.split()
}
# Values that leave a run as if the setting did not exist. A new setting joins with the value that
# changes nothing, and the names of all runs that are there stay as they are.
NEUTRAL = {
    **dict.fromkeys(("image.normalise", "model.normalisation", "weight_map.terms"), "none"),
    "augmentation.method": "none",
    **dict.fromkeys(("augmentation.rigid", "augmentation.elastic", "augmentation.grey"), False),
    **dict.fromkeys(("model.dropout", "training.unknown"), 0.0),
    **dict.fromkeys(("training.updates", "training.epoch_updates"), 0),
    "training.schedule": "constant",
    "training.precision": "float32",
    "evaluation.side": "test",
    "evaluation.turns": False,
}
# The data's digests stand for how they were found; intervals are made from finished runs.
_NOT_OF_A_RUN = ("data.", "grid.", "evaluation.resamples", "evaluation.block")


def has_effect(key, values):
    """Whether a setting changes anything beside others by dotted names, and ``fold``."""
    other, allowed = NEEDS.get(key, (None, ()))
    return other is None or values[other] in allowed


def relevant(settings, fold):
    """List the settings that a run depends on, by dotted names."""
    values = dotted(arm_on(settings, fold))
    return {
        key: value
        for key, value in values.items()
        if not key.startswith(_NOT_OF_A_RUN)
        and has_effect(key, values | {"fold": fold})
        and NEUTRAL.get(key, ...) != value
    }
