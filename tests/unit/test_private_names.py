"""Tests use no private name of another module, and no other test: what several need is public, or in tests/support."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

#: Names with an underscore that are public all the same.
ALLOWED: Final = {
    "_exit": "documented, of os",
    "_replace": "documented, of named tuples",
    "_thread": "documented, a module of Python",
}
#: Functions that take a name as text.
NAMED: Final = {"delattr", "getattr", "hasattr", "object", "patch", "setattr"}
TEST_IMPORT: Final = re.compile(r"^\s*(?:from|import)\s.*\btest_.*", re.MULTILINE)


def found(source: str) -> Iterator[str]:
    """What is private or another test; programs in strings may import no test either."""
    yield from TEST_IMPORT.findall(source)
    nodes = list(ast.walk(ast.parse(source)))
    own = {name for node in nodes for name in _defined(node)} | ALLOWED.keys()
    for node in nodes:
        yield from (name for name in _used(node) if re.match("_[^_]", name) and name not in own)


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            yield name
        case ast.Name(name, ast.Store()) | ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
            yield name


def _used(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(names=names):
            yield from (alias.name for alias in names)
        case ast.Attribute(value, name) if not (isinstance(value, ast.Name) and value.id in {"self", "cls"}):
            yield name
        case ast.Call(ast.Name(function) | ast.Attribute(_, function), arguments) if function in NAMED:
            texts = (each.value for each in arguments if isinstance(each, ast.Constant))
            yield from (part for text in texts if isinstance(text, str) for part in text.split("."))


def test_tests_use_public_names() -> None:
    files = Path(__file__).resolve().parents[1].rglob("*.py")
    used = {str(path): list(found(path.read_text())) for path in files}
    assert {path: names for path, names in used.items() if names} == {}


@pytest.mark.parametrize("wrong", ["from a import _b", "a.c._b = 1", "a.setattr(c, '_b', 1)", "patch('a._b.c')"])
def test_private_names_are_found(wrong: str) -> None:
    assert list(found(wrong)) == ["_b"]
