"""A Python function as the transform of a pipeline: its source, run by an interpreter from stdin.

The source is part of the spec. So a datum's key covers it, a result is known to be that of this
very function, and nothing of the process that defined it is needed to run it.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any

from pfslib.model.errors import InvalidSpecError

OUT = "out"

_PLAIN = (bool, int, float, str, bytes, type(None))


def program_of(function: Callable[..., Any]) -> list[str]:
    """The lines of a program that calls a function as a command of a datum would be run.

    Each parameter is called as an input, and given the path of its directory; `out` is given
    `/pfs/out`. Modules and plain constants that the function uses from around it are put in front.

    Raises:
        InvalidSpecError: It uses what cannot be had elsewhere, has no source, or runs nothing when
            it is called: a generator function, an async one.
    """
    definition = _definition(function)
    arguments = ", ".join(f'{name}=_Path("/pfs/{name}")' for name in parameters_of(function))
    return [
        "from pathlib import Path as _Path",
        *_surroundings(function),
        *definition.splitlines(),
        f"{function.__name__}({arguments})",
    ]


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """The names of the inputs that a function wants, and `out`."""
    return list(inspect.signature(function).parameters)


def _definition(function: Callable[..., Any]) -> str:
    """The function's own source, without decorators and annotations."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise InvalidSpecError(f"the source of {function!r} cannot be found") from error
    tree = ast.parse(source).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise InvalidSpecError(f"{function!r} is no function that was defined with def")
    if inspect.isgeneratorfunction(function):
        raise InvalidSpecError(
            f"{function.__name__} is a generator function: to call it runs nothing of it",
            hint="take out `yield`; what is to be put out is written below `out`",
        )
    tree.decorator_list = []
    tree.returns = None
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(tree)


def _surroundings(function: Callable[..., Any]) -> Iterator[str]:
    """What the function uses that is defined around it."""
    found = dict(inspect.getclosurevars(function).nonlocals)
    found |= {
        name: function.__globals__[name]
        for name in _names(function.__code__)
        if name in function.__globals__ and not hasattr(builtins, name)
    }
    for name, value in sorted(found.items()):
        if isinstance(value, ModuleType):
            yield f"import {value.__name__} as {name}"
        elif isinstance(value, _PLAIN):
            yield f"{name} = {value!r}"
        elif getattr(value, "__module__", "__main__") not in {"__main__", function.__module__}:
            yield f"from {value.__module__} import {value.__name__} as {name}"
        else:
            raise InvalidSpecError(
                f"{function.__name__} uses {name}, which is defined beside it",
                hint="define it inside the function, or import it from a module",
            )


def _names(code: CodeType) -> set[str]:
    """The global names of a function, and of those defined in it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(below) for below in inner))
