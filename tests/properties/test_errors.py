"""Every error is in the drawn tree, says what to do, and survives pickling."""

from __future__ import annotations

import builtins
import copy
import errno
import inspect
import pickle
import re

import pytest

from pfslib.model import errors
from pfslib.model.errors import PfsError

CLASSES = sorted(
    (
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, PfsError)
    ),
    key=lambda cls: cls.__name__,
)

ARGUMENTS = {
    "RepoNotFoundError": ("imges", ["images"]),
    "BranchNotFoundError": ("images", "mastr", ["master"]),
    "CommitNotFoundError": ("images", "mastr", ["master"]),
    "PathNotFoundError": ("/a", "commit 1"),
    "PipelineNotFoundError": ("edges",),
    "JobNotFoundError": ("1234",),
    "ImageNotFoundError": ("go",),
    "StoreNotFoundError": ("/x",),
    "StoreAccessError": ("/x", "user 1 may not open /x/format, which belongs to user 2"),
    "InvalidNameError": ("repo", "-", "it is odd"),
    "InvalidPathError": ("..", "it is odd"),
    "InvalidReferenceError": ("^", "it is odd"),
    "InvalidGlobError": ("[", "it is odd"),
    "UnsupportedFileError": ("/dev/null", "is a character device"),
    "InvalidSpecError": ("it is odd",),
    "WrongKindError": ("/a", "is odd"),
    "NotADirectoryInCommitError": ("/a",),
    "IsADirectoryInCommitError": ("/a",),
    "HeadMovedError": ("images", "master"),
    "BranchBusyError": ("images", "master", "1234"),
    "PathClashError": ("/a", "it is a file"),
    "CommitFinishedError": ("images", "1234"),
    "CommitOpenError": ("images", "1234"),
    "StoreClosedError": ("/x",),
    "OutputRepoError": ("edges",),
    "StoreFullError": ("/x", "the disk has no room left"),
    "UnknownFormatError": ("/x", 9, 1),
    "JobFailedError": ("1234", "it is odd"),
}


def example(cls: type[PfsError]) -> PfsError:
    return cls(*ARGUMENTS.get(cls.__name__, ("it is odd",)))


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_pickling_and_copying(cls):
    error = example(cls)
    error.add_note("met at /a")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same(error, pickle.loads(pickle.dumps(error, protocol)))
    same(error, copy.copy(error))
    same(error, copy.deepcopy(error))


def same(error: PfsError, other: PfsError) -> None:
    assert type(other) is type(error)
    assert str(other) == str(error) == error.message
    assert other.args == error.args == (error.message,)
    assert vars(other) == vars(error)
    assert other.hint == error.hint
    assert other.__notes__ == error.__notes__
    assert other.__notes__[-1] == "met at /a"
    if isinstance(error, OSError):
        assert isinstance(other, OSError)
        assert (other.errno, other.filename) == (error.errno, error.filename)


SAID_WHERE_IT_IS_RAISED = {
    PfsError,
    errors.InvalidInputError,
    errors.InvalidNameError,
    errors.WrongKindError,
    errors.ConflictError,
    errors.StillNeededError,
    errors.StateError,
    errors.MountError,
    errors.WorkError,
    errors.RunnerError,
}
"""Of what is to be done next, its kind alone says nothing."""


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_say_what_and_what_to_do(cls):
    error = example(cls)
    assert error.message
    assert not error.message.endswith(".")
    assert "None" not in error.message
    if cls not in SAID_WHERE_IT_IS_RAISED:
        assert error.hint
        assert not error.hint.endswith(".")
        assert error.__notes__ == [error.hint]
    if isinstance(error, OSError):
        assert error.errno == cls.errno_code


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_can_be_caught_as_pythons_own(cls):
    own = {"NotFoundError": LookupError, "InvalidInputError": ValueError, "BusyError": TimeoutError,
           "WorkError": RuntimeError, "AlreadyExistsError": FileExistsError}  # fmt: skip
    for name, builtin in own.items():
        if issubclass(cls, getattr(errors, name)):
            assert issubclass(cls, builtin)
    assert (cls.errno_code == errno.ENOENT) == issubclass(
        cls, errors.NotFoundError | errors.StoreNotFoundError
    )


def test_not_found_errors_name_what_is_near():
    assert errors.RepoNotFoundError("imges", ["images", "edges"]).hint == "did you mean 'images'?"
    assert "list-repo" in errors.RepoNotFoundError("xyz", ["images"]).hint


def drawn_tree() -> dict[str, tuple[str, str]]:
    """Class to its parent and the rest of its line, as the docstring draws them."""
    drawn: dict[str, tuple[str, str]] = {}
    above: list[tuple[int, str]] = []
    tree = errors.__doc__.split("::")[1].split("Each error")[0]
    for line in tree.splitlines():
        found = re.search(r"[A-Z]\w+Error\b", line)
        if found is None:
            continue
        depth = found.start()
        above = [(column, name) for column, name in above if column < depth]
        parent = above[-1][1] if above else ""
        siblings = re.findall(r"(?:^|· |[─ ]{2})([A-Z]\w+Error)\b(?= ·|  |$|\s)", line)
        names = [name for name in siblings if hasattr(errors, name)]
        for name in names:
            drawn[name] = (parent, line)
        above.append((depth, names[0]))
    return drawn


def test_the_drawn_tree_is_the_real_one():
    drawn = drawn_tree()
    assert drawn.keys() == {cls.__name__ for cls in CLASSES}
    for cls in CLASSES:
        parent, line = drawn[cls.__name__]
        if cls is not PfsError:
            assert cls.__bases__[0].__name__ == parent
        codes = re.search(r"exit (\d+)", line)
        if codes:
            assert cls.exit_code == int(codes[1])
        number = re.search(r"\b(E[A-Z]{3,})$", line.strip())
        if number:
            assert cls.errno_code == getattr(errno, number[1])
        for builtin in re.findall(r"\b(LookupError|ValueError|OSError|TimeoutError|RuntimeError|"
                                  r"FileNotFoundError|FileExistsError)\b", line):  # fmt: skip
            assert issubclass(cls, getattr(builtins, builtin))
