"""The docstrings of public names say what the reference promises: arguments, errors, units."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import sys
import textwrap
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from fsspec import AbstractFileSystem

import pfslib

SITE = Path(__file__).parents[2] / "docs/site"
ELSEWHERE = re.compile(r"\b([Ss]ee|[Aa]s) ``?[\w.]+``?|see fsspec|[Tt]he same as `\w+`")
LINEAR = re.compile(
    r"(explain|glob|find|put|copy|export|import|get|diff|mount|backup)(_|$)"
    r"|gc$|fsck$|run$|squash_commit$|working_copy$"
)
UNITS = re.compile(r".*_n?s$|jobs|start|number")


@pytest.fixture(scope="module")
def site() -> dict[str, object]:
    """What docs/site/build.py defines."""
    sys.path.insert(0, str(SITE))
    try:
        return runpy.run_path(str(SITE / "build.py"))
    finally:
        sys.path.remove(str(SITE))


def public_calls(names: list[str]) -> Iterator[tuple[str, Callable[..., object]]]:
    """Functions, and what public classes define or inherit from ours."""
    for name in names:
        value = attrgetter(name)(pfslib)
        if not isinstance(value, type):
            yield name, value
            continue
        for member, found in inspect.getmembers_static(value):
            function = inspect.unwrap(getattr(found, "__func__", found))
            if inspect.isfunction(function) and is_to_say(value, member, function):
                yield f"{name}.{member}", function


def is_to_say(kind: type, member: str, function: Callable[..., object]) -> bool:
    """Whether a method is ours and public; fsspec's pages say what its own take."""
    ours = function.__module__.startswith("pfslib.") and not member.startswith("_")
    inner = member == "of" or "txn" in inspect.signature(function).parameters
    fsspecs = issubclass(kind, AbstractFileSystem) and hasattr(AbstractFileSystem, member)
    return ours and not inner and not fsspecs


def raised_in(function: Callable[..., object]) -> set[type[pfslib.PfsError]]:
    """The errors of ours that its own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = {
        node.exc.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
    }
    found = {getattr(pfslib, name, None) for name in names}
    return {kind for kind in found if isinstance(kind, type) and issubclass(kind, pfslib.PfsError)}


def gaps(function: Callable[..., object]) -> list[str]:
    """What a docstring does not say."""
    text = inspect.getdoc(function)
    if not text:
        return ["no docstring"]
    parts = re.split(r"^([A-Z]\w+):(?: |$)", text, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    told = set(re.findall(r"^ {4}\*{0,2}(\w+): ", said.get("Args", ""), re.MULTILINE))
    asked = dict(inspect.signature(function).parameters)
    asked = {
        name: p
        for name, p in asked.items()
        if name not in {"self", "cls"} and not name.startswith("_")
    }
    wrong = [f"{name} is no argument" for name in told - set(asked)]
    if ELSEWHERE.search(text):
        return wrong
    if LINEAR.match(function.__name__) and "Cost" not in said:
        wrong.append("nothing of its cost")
    for name, parameter in asked.items():
        counted = parameter.annotation in {"int", "float", "int | None", "float | None"}
        needed = len(asked) > 1 or (counted and not UNITS.fullmatch(name))
        if needed and name not in told:
            wrong.append(f"nothing of the argument {name}")
    errors = said.get("Raises", "")
    for kind in raised_in(function):
        told_of = [base for base in kind.__mro__ if re.search(rf"\b{base.__name__}\b", errors)]
        wrong += [] if told_of else [f"nothing of its {kind.__name__}"]
    return wrong


def test_every_public_name_stands_in_the_reference_once(site):
    assert site["undocumented"]() == []


def test_a_member_that_says_nothing_is_found(site):
    found = site["silent_members"](Silent)
    assert found == ["bare", "field", "found"]


class Silent:
    """A record.

    Attributes:
        told: What it is.
    """

    told: int
    field: int
    said: int
    """What that is."""

    def bare(self) -> None: ...

    @property
    def found(self) -> int:
        return 1

    def documented(self) -> None:
        """Do it."""


def test_public_calls_say_what_they_take_and_raise(site):
    names = [name for page in site["reference_pages"]().values() for name in page.names]
    found = {name: wrong for name, call in public_calls(names) if (wrong := gaps(call))}
    assert found == {}, "\n".join(f"{name}: {', '.join(wrong)}" for name, wrong in found.items())


def test_a_gap_is_found():
    def bare(path: str, offset: int) -> None: ...

    def silent(size: int) -> None:
        """Do it.

        Args:
            length: Nothing of that name.
        """
        raise pfslib.InvalidInputError("too large")

    def raises(path: str) -> None:
        """Do it."""
        raise InvalidInputError(path)

    assert gaps(bare) == ["no docstring"]
    assert gaps(silent) == ["length is no argument", "nothing of the argument size"]
    assert gaps(raises) == ["nothing of its InvalidInputError"]


InvalidInputError = pfslib.InvalidInputError
