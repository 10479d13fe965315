"""What a params file may say; params/base.yaml says what each setting is, its unit and source."""

import re
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from lib.data.files import ROOT

# Read off the text: to import the networks would cost the seconds that Keras takes to start.
_MODELS = (ROOT / "lib" / "network" / "model.py").read_text(encoding="utf-8")
NETWORKS = re.findall(r"^def ([a-z]\w*)\(shape,", _MODELS, re.M)


class ParamsError(Exception):
    """All that is wrong with a params file, a line each: file, key, value, cure."""


def written(value):
    """Write a value as in YAML, in a line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("...\n").strip()


def _setting(kind, words, needs=None, **bounds):
    """Make a type that says in `words` what a value has to be; see `NEEDS` for `needs`."""

    def check(value, validate):
        try:
            return validate(value)
        except ValidationError as error:
            if error.errors()[0]["loc"]:  # a part of it is wrong, and says so itself
                raise
            raise ValueError(words) from error

    return Annotated[kind, Field(description=needs, **bounds), WrapValidator(check)]


def _number(low, high, needs=None):
    kind = {int: "whole number", float: "number"}[type(low)]
    return _setting(type(low), f"has to be a {kind} from {low} to {high}", needs, ge=low, le=high)


def _choice(*options):
    return _setting(Literal[options], f"has to be one of {list(options)}")


def _text(words, pattern):
    return _setting(str, f"has to be {words}", pattern=rf"^{pattern}\Z")


Flag, Text = _setting(bool, "has to be true or false"), _setting(str, "has to be text")
Name = _text("letters, digits, '+', '_' and '-'", r"[A-Za-z0-9][A-Za-z0-9+_-]*")
Fold = _text("last, random or two videos as in 01to02", r"(last|random|([0-9]{2})to(?!\2)[0-9]{2})")
Colour = _text('a colour as in "#d55e00", in quotes, since # begins a comment', r"#[0-9a-fA-F]{6}")
Rate = _number(1.0e-9, 10.0)
Size = Annotated[list[_number(64, 1024)], Field(min_length=2, max_length=2)]
Seeds = Annotated[dict[Fold, _number(1, 20)], Field(min_length=1)]


class Section(BaseModel):
    """A part of the settings; a default leaves a run, and its name, as without the setting."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, regex_engine="python-re")


class Settings(Section):
    """Every setting of a profile, or of one of its arms."""

    class _Data(Section):
        source: _choice("auto", "folder", "download", "phantom")
        folder: _setting(str, "has to be text", "data.source: auto or folder")
        name: Name
        pixel: _number(0.0, 1000.0)
        phantom_seed: _number(0, 1_000_000, "data.source: auto or phantom")
        phantom_frames: _number(10, 200, "data.source: auto or phantom")
        phantom_size: _setting(Size, "has to be rows and columns", "data.source: auto or phantom")

    class _Split(Section):
        test_share: _number(0.05, 0.5, "fold: last or random")
        validation_share: _number(0.05, 0.5)
        seed: _number(0, 1_000_000, "fold: random")

    class _Image(Section):
        size: _number(16, 1024)
        normalise: _choice("none", "frame") = "none"

    class _Model(Section):
        network: _choice(*NETWORKS)
        filters: _number(1, 128)
        depth: _number(1, 6)
        normalisation: _choice("none", "batch") = "none"
        dropout: _number(0.0, 0.3) = 0.0

    class _Augmentation(Section):
        method: _choice("none", "static", "repeat", "online") = "none"
        copies: _number(1, 1000, "augmentation.method: static or repeat")
        rotation: _number(0.0, 180.0, "augmentation.method: static")
        shift: _number(0.0, 0.5, "augmentation.method: static")
        shear: _number(0.0, 45.0, "augmentation.method: static")
        zoom: _number(0.0, 0.5, "augmentation.method: static")
        rigid: Flag = False
        elastic: Flag = False
        grey: Flag = False
        online_scale: _number(0.0, 0.5, "augmentation.rigid: true")
        elastic_sigma: _number(0.0, 50.0, "augmentation.elastic: true")
        grey_sigma: _number(0.0, 1.0, "augmentation.grey: true")

    class _WeightMap(Section):
        terms: _choice("none", "class", "border", "both") = "none"
        w0: _number(0.0, 100.0, "weight_map.terms: border or both")
        sigma: _number(0.5, 50.0, "weight_map.terms: border or both")

    class _Training(Section):
        target: _choice("mask", "gap", "border", "distance")
        unknown: _number(0.0, 200.0) = 0.0
        optimiser: _choice("sgd", "adam")
        momentum: _number(0.0, 0.999, "training.optimiser: sgd")
        learning_rate: Rate | Annotated[dict[Fold, Rate], Field(min_length=1)]
        schedule: _choice("constant", "cosine") = "constant"
        batch: _number(1, 64)
        epochs: _number(1, 10_000, "training.updates: 0")
        patience: _number(1, 10_000, "training.updates: 0")
        updates: _number(0, 10_000_000) = 0
        epoch_updates: _number(0, 1_000_000) = 0
        precision: _choice("float32", "mixed_bfloat16") = "float32"

    class _Evaluation(Section):
        side: _choice("test", "validation") = "test"
        threshold: _number(0.0, 1.0)
        turns: Flag = False
        examples: _number(1, 12)
        resamples: _number(100, 100_000)
        block: _number(1, 84)

    class _Grid(Section):
        arms: _setting(list[Text], "has to be a list, as in [a, b]", min_length=1)
        seeds: _setting(Seeds, "has to map folds to numbers of runs, as in {last: 1}")

    data: _Data
    split: _Split
    image: _Image
    model: _Model
    augmentation: _Augmentation
    weight_map: _WeightMap
    training: _Training
    evaluation: _Evaluation
    grid: _Grid


class Card(Section):
    """What stands beside an arm: how it is named, drawn and asked."""

    inherits: Text = ""
    group: Text = "mine"
    words: Text = ""
    colour: Colour = "#d55e00"
    about: Text = ""
    question: Text = ""
    published: Text = ""


FIELDS = {
    f"{section}.{name}": field
    for section, part in Settings.model_fields.items()
    for name, field in part.annotation.model_fields.items()
}
# What a setting needs to have an effect, as in "training.optimiser: sgd" or "fold: random".
NEEDS = {key: field.description for key, field in FIELDS.items() if field.description}
# The data's digests stand for how they were found; intervals are made from finished runs.
_NOT_OF_A_RUN = ("data.", "grid.", "evaluation.resamples", "evaluation.block")


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
    if fold in rate:
        return changed(settings, {"training.learning_rate": rate[fold]})
    words = f"{written(rate)} has no rate for the fold {fold}; add it"
    raise ParamsError(f"training.learning_rate: {words}")


def has_effect(key, values):
    """Whether a setting changes anything beside others by dotted names, and ``fold``."""
    other, _, needed = NEEDS.get(key, "").partition(": ")
    return not other or written(values[other]) in needed.split(" or ")


def relevant(settings, fold):
    """List the settings that a run depends on, by dotted names."""
    values = dotted(arm_on(settings, fold))
    used = [key for key in values if has_effect(key, values | {"fold": fold})]
    used = [key for key in used if not key.startswith(_NOT_OF_A_RUN)]
    return {key: values[key] for key in used if values[key] != FIELDS[key].default}
