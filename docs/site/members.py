"""Which public members of a class say nothing: methods, properties and fields."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum

ATTRIBUTE = re.compile(r"^(\w+(?:, \w+)*): ", re.MULTILINE)


def silent_members(kind: type) -> list[str]:
    """Names, sorted, of what it and its bases of the same package define and nothing explains."""
    package = kind.__module__.split(".")[0]
    ours = [base for base in kind.__mro__ if base.__module__.split(".")[0] == package]
    said = {name for base in ours for name in explained(base)}
    fields = {name for base in ours for name in inspect.get_annotations(base)}
    if not issubclass(kind, Enum):  # its members are words themselves
        fields |= {name for base in ours for name in vars(base) if is_said_by_itself(base, name)}
    return sorted(name for name in fields - said if not name.startswith("_"))


def is_said_by_itself(kind: type, name: str) -> bool:
    """Whether a member is one that has a docstring: a function or a property."""
    member = vars(kind)[name]
    member = getattr(member, "fget", None) or getattr(member, "__func__", member)
    return inspect.isfunction(inspect.unwrap(member))


def explained(kind: type) -> Iterator[str]:
    """The members that it says something of: in their own docstrings, or in that of the class."""
    yield from (name for name in vars(kind) if is_said_by_itself(kind, name) and told(kind, name))
    _, _, attributes = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    for names in ATTRIBUTE.findall(textwrap.dedent(attributes)):
        yield from names.split(", ")
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            yield getattr(getattr(field, "target", None), "id", "")


def told(kind: type, name: str) -> bool:
    """Whether a function or a property has a docstring, its own or one that it overrides."""
    return bool(inspect.getdoc(getattr(kind, name)))
