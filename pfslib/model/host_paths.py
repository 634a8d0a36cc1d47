"""Paths of the host, as users give them."""

from __future__ import annotations

import os
from pathlib import Path

from pfslib.model.errors import InvalidInputError


def host_path(given: str | os.PathLike[str]) -> Path:
    """A path of the host; an empty one, such as of a variable that is not set, is none.

    Raises:
        InvalidInputError: It is empty: `Path` takes that for the working directory.
    """
    if not os.fspath(given):
        raise InvalidInputError("the path is empty", hint="'.' is the working directory")
    return Path(given)
