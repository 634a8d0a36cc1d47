"""Names of repos, branches and pipelines, and references to commits and files."""

from __future__ import annotations

import re

import msgspec

from pfslib.model.errors import InvalidInputError, InvalidNameError, InvalidReferenceError
from pfslib.model.paths import normal_path

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_COMMIT_ID = re.compile(r"[0-9a-f]{32}")
_ANCESTRY = re.compile(  # no number is longer than what a position on a branch can be
    r"(?P<name>[^\^~/]+?)(?:[./](?P<number>[0-9]{1,18}))?(?P<steps>(?:[\^~][0-9]{0,18})*)"
)
_STEP = re.compile(r"([\^~])([0-9]*)")
_NAME_MAX = 128
_HINT = "use letters, digits, '_', '-' and '.', not starting with '-' or '.', at most 128"
IMAGE_NAME_MAX = 100
TEXT_MAX = 64 * 1024


def check_name(kind: str, name: str) -> str:
    """The name itself, when it may name a repo, branch or pipeline.

    Raises:
        InvalidNameError: It may not; says why.
    """
    if not name:
        raise InvalidNameError(kind, name, "it is empty", hint=_HINT)
    if len(name) > _NAME_MAX:
        raise InvalidNameError(kind, name, f"it is longer than {_NAME_MAX} characters", hint=_HINT)
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            kind, name, "it holds other characters, or begins with '-' or '.'", hint=_HINT
        )
    if is_commit_id(name):
        raise InvalidNameError(kind, name, "32 hexadecimal digits mean a commit id", hint=_HINT)
    return name


def check_text(kind: str, text: str) -> str:
    """The text itself, when it may be kept as a message or a description.

    Raises:
        InvalidInputError: It is no text, not encodable, or longer than TEXT_MAX bytes.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"{kind} must be text, not {type(text).__name__}")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidInputError(f"{kind} {text!r} cannot be encoded as UTF-8") from None
    if size > TEXT_MAX:
        raise InvalidInputError(f"{kind} has {size} bytes, more than {TEXT_MAX}")
    return text


def check_image_name(name: str) -> str:
    """The name itself, when it may name an image; what registries allow is much less.

    Raises:
        InvalidNameError: It may not; says why.
    """
    if not name or len(name) > IMAGE_NAME_MAX or not name.isprintable() or " " in name:
        why = f"1 to {IMAGE_NAME_MAX} printable characters without blanks are needed"
        raise InvalidNameError("image", name, why)
    return name


def is_commit_id(text: str) -> bool:
    """Whether the text has the form of a full commit id."""
    return _COMMIT_ID.fullmatch(text) is not None


class Reference(msgspec.Struct, frozen=True):
    """What means a commit of a repo: a base, then steps back or a number.

    ``base`` is a branch, a commit id or the beginning of one. ``number``, when given, counts from
    the start of the branch (the forms ``base.2`` and ``base/2``). ``back`` is the number of parents
    to go up from there.
    """

    base: str
    back: int = 0
    number: int | None = None


class FileReference(msgspec.Struct, frozen=True):
    """``repo@ref:/path`` taken apart; parts that were not given are empty."""

    repo: str
    commit: str = ""
    path: str = ""


def parse_reference(text: str) -> Reference:
    """Take ``master``, ``master^2``, ``master~3``, ``master.0``, ``master/0``, ``<id>`` apart.

    A name may itself hold dots, so ``v1.2`` is ambiguous: whoever resolves it tries the name first.

    Raises:
        InvalidReferenceError: Not of that form.
    """
    match = _ANCESTRY.fullmatch(text)
    if match is None:
        raise InvalidReferenceError(text, "it names no commit")
    back = sum(int(count or 1) for _, count in _STEP.findall(match["steps"] or ""))
    number = int(match["number"]) if match["number"] else None
    return Reference(match["name"], back, number)


def parse_file_reference(text: str) -> FileReference:
    """Take ``repo``, ``repo@ref``, ``repo@ref:/path`` or ``repo:/path`` apart.

    Raises:
        InvalidReferenceError: A part is missing or wrong.
        InvalidPathError: The path cannot be one.
    """
    place, colon, path = text.partition(":")
    repo, at, commit = place.partition("@")
    if not repo:
        raise InvalidReferenceError(text, "it names no repo")
    if at and not commit:
        raise InvalidReferenceError(text, "nothing follows the '@'")
    return FileReference(repo, commit, normal_path(path) if colon else "")
