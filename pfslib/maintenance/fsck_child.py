"""The process that fsck reads a store in: if the file is cut short, a signal ends the reader.

What it finds goes to standard output, a JSON object a line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from pfslib.kv.anchor import find_damaged_slot
from pfslib.kv.layout import ANCHOR_FILE
from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.maintenance.check import Checked, check
from pfslib.maintenance.findings import Problem
from pfslib.model.errors import CorruptionError


class Found(msgspec.Struct, tag="problem", frozen=True):
    """A problem."""

    problem: Problem


class Step(msgspec.Struct, tag="step", frozen=True):
    """How far it is."""

    what: str
    done: int


class End(msgspec.Struct, tag="end", frozen=True):
    """It has come to the end."""

    checked: Checked


Message = Found | Step | End

_encoder = msgspec.json.Encoder()


def main(arguments: Sequence[str]) -> None:
    """Check a store.

    Args:
        arguments: Its directory, and ``read-data`` if contents are to be read.
    """
    store, *options = arguments
    _send(Step("open", 0))
    try:
        anchor_problems = _check_anchor(Path(store))
        kv = LmdbKV.open(Path(store))
        checked = check(
            kv,
            read_data="read-data" in options,
            report=lambda problem: _send(Found(problem)),
            progress=lambda what, done: _send(Step(what, done)),
        )
        checked = replace(checked, problems=checked.problems + anchor_problems)
    except CorruptionError as error:  # of the file: what it holds is checked without
        _send(Found(Problem("file", error.message)))
        checked = Checked(problems=1)
    _send(End(checked))


def _check_anchor(store: Path) -> int:
    """Report a damaged slot of the anchor, of which one is enough to open the store."""
    if not find_damaged_slot(store):
        return 0
    what = f"{ANCHOR_FILE}: a slot is damaged; the next changes of the store write it anew"
    _send(Found(Problem("file", what)))
    return 1


def _send(message: Message) -> None:
    # At once, so that whoever waits knows how far it came if a signal ends it.
    os.write(sys.stdout.fileno(), _encoder.encode(message) + b"\n")
