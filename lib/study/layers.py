"""Find params files, and read one with all that it inherits."""

import difflib
import functools
import os
import re
from pathlib import Path

import yaml

from lib.data.files import PARAMS, ROOT, relative
from lib.study.schema import ParamsError, Settings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def layers(path):
    """Read a params file and its ancestors, base first: pairs of path and content."""
    path, found = _checked(path), []
    while True:
        where, content = relative(path), _read(path)
        found.insert(0, (path, content))
        if path == PARAMS / "base.yaml":
            return found
        parent = content.get("inherits")
        if not isinstance(parent, str):
            raise ParamsError(
                f"{where}: inherits: {parent!r} has to name a params file, as in 'inherits: quick'"
            )
        beside = path.parent / f"{parent}.yaml"
        path = (beside if beside.exists() else PARAMS / f"{parent}.yaml").resolve()
        if not path.exists():
            near = nearest(parent, [file.stem for file in PARAMS.glob("*.yaml")])
            raise ParamsError(f"{where}: inherits: {parent!r} is no params file{near}")
        if path in [file for file, _ in found]:
            raise ParamsError(f"{where}: inherits: {parent} inherits itself")


def flat(content, whole=()):
    """Write sections of settings by dotted names; keys that are `whole` stay as they are."""
    values = {}
    for key, value in content.items():
        if isinstance(value, dict) and key not in whole and "." not in str(key):
            values |= {f"{key}.{name}": part for name, part in value.items()}
        elif value is not None or key not in Settings.model_fields:  # a section without a key
            values[str(key)] = value
    return values


@functools.cache
def renamed():
    """Read what settings, values and arms of the first edition are called now."""
    return _read(PARAMS / "renamed.yaml")


def nearest(name, names):
    """Ask whether another name is meant: one that is much alike, of another section, or alike."""
    much, some = (difflib.get_close_matches(name, names, 1, cutoff) for cutoff in (0.85, 0.5))
    last = [other for other in names if other.rpartition(".")[2] == name.rpartition(".")[2]]
    near = [*much, *last, *some]
    return f"; did you mean {near[0]}?" if near else ""


def _checked(path):
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
    own = PARAMS / file.name
    if own.exists() and file.exists() and not own.samefile(file):
        raise ParamsError(
            f"{relative(file)}: would write outputs/{file.stem}, which belongs to "
            f"{relative(own)}; give the file another name"
        )
    return file


def _read(path):
    where = relative(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ParamsError(f"{where}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{where}: is not a text file in UTF-8") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as no date
        mark = getattr(error, "problem_mark", None)
        words = getattr(error, "problem", None) or str(error).partition("\n")[0]
        line = f"line {mark.line + 1}: " if mark else ""
        raise ParamsError(f"{where}: is not valid YAML: {line}{words}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{where}: has to be a mapping of keys to values")
    return content


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Safe YAML that refuses a key given twice, which plain YAML would silently take last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for index, key in enumerate(keys) if key in keys[:index]]:
            words = f"the key {twice[0]!r} is given twice; keep one"
            raise yaml.constructor.ConstructorError(None, None, words, node.start_mark)
        return super().construct_mapping(node, deep)
