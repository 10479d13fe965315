"""The house: rooms import one way, no arm is named in lib/, and it stays thin."""

import ast
import re

import pytest
import yaml

from lib.data.files import PARAMS, ROOT

ROOMS = ("data", "network", "scoring", "study", "page", "predict")
FILES = sorted((ROOT / "lib").rglob("*.py"))


def room(path):
    first = path.relative_to(ROOT / "lib").parts[0]
    return first.removesuffix(".py").partition("_")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_rooms_above_it(path):
    if path.parent.name == "lib" and path.name == "__init__.py":
        return
    own = ROOMS.index(room(path))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.startswith("lib."):
                assert ROOMS.index(name.split(".")[1].partition("_")[0]) <= own, (path, name)


def test_lib_is_thin():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert max(lines.values()) <= 350, max(lines, key=lines.get)
    assert sum(lines.values()) <= 4800, sum(lines.values())


def arms():
    names = set()
    for path in PARAMS.glob("*.yaml"):
        names |= set((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("arms", {}))
    # Words of the field and of the settings that are arms' names, too.
    return names - {
        "none",
        "rigid",
        "elastic",
        "gap",
        "border",
        "distance",
        "no_skip",
        "aspp",
        "copies",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_arm_is_named_in_lib(path):
    text = path.read_text(encoding="utf-8")
    strings = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = {arm for arm in arms() for string in strings if re.fullmatch(re.escape(arm), string)}
    assert not named
