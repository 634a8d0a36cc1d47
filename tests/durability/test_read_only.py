"""A store that cannot be locked, because its file system is mounted read-only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pfslib

Start = Callable[..., subprocess.Popen[str]]

OPEN = """
import subprocess, sys
from pathlib import Path
folder = sys.argv[1]
for what in (["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
    if subprocess.run(["mount", *what]).returncode:
        sys.exit("cannot mount")
import pfslib
for call in (pfslib.open, pfslib.init):
    try:
        call(Path(folder, "filled" if call is pfslib.open else "new"))
    except pfslib.StateError as error:
        print(error.message, error.hint, sep="|")
"""


def test_a_read_only_file_system_is_said_with_what_to_do(
    filled: Path, start: Start, impossible: Callable[[str], NoReturn], tmp_path: Path
) -> None:
    if shutil.which("unshare") is None:
        impossible("needs unshare")
    process = start(OPEN, filled.parent, before=("unshare", "--mount"))
    output, errors = process.communicate(timeout=30)
    if "cannot mount" in errors or "unshare failed" in errors:
        impossible(errors)
    opened, made = output.splitlines()
    said, hint = opened.split("|")
    assert said == f"store {filled} is on a file system that is mounted read-only"
    assert "copy it" in hint
    assert made.startswith(f"store {filled.parent / 'new'} is on a file system")

    copy = Path(shutil.copytree(filled, tmp_path / "copy"))
    with pfslib.open(copy) as store:
        assert store.get_file("repo", "master", "/a") == b"alpha\n"
