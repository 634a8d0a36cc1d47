"""Directories that commands have left behind, removed whatever is in them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from pfslib.pipelines.clearing import clear_away
from pfslib.pipelines.scratch import sweep_scratch

NOBODY = 65534
DEPTH = 150
DESCRIPTORS = 100


def leave_behind(top: Path) -> None:
    """What a hostile command may: great depth, no permissions, links that lead elsewhere."""
    (top / "out/shut/inner").mkdir(parents=True)
    (top / "out/shut/file").write_text("x")
    (top / "out/link").symlink_to(top.parent / "beside")
    (top / "out/shut").chmod(0)
    (top / "out").chmod(0)
    deep = os.open(top, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d" * 100, dir_fd=deep)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)


def test_all_of_it_goes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "top").mkdir()
    leave_behind(tmp_path / "top")
    clear_away(tmp_path / "top")
    assert [path.name for path in tmp_path.iterdir()] == ["beside"]


def test_an_ordinary_user_is_not_stopped_by_permissions() -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place, "top")
        top.mkdir()
        if os.geteuid() == 0:
            os.chown(place, NOBODY, NOBODY)
            os.chown(top, NOBODY, NOBODY)
        subprocess.run([sys.executable, __file__, top], check=True)
        assert not top.exists()


def test_what_another_user_has_laid_out_is_left_to_them(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    (scratch / "of a dead process").mkdir(parents=True)
    user = os.geteuid()
    scratch.chmod(0)
    try:
        if user == 0:
            os.seteuid(NOBODY)
        sweep_scratch(tmp_path)
    finally:
        os.seteuid(user)
        scratch.chmod(0o700)
    assert len(list(scratch.iterdir())) == 1
    sweep_scratch(tmp_path)
    assert not list(scratch.iterdir())


def _as_nobody(top: Path) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    leave_behind(top)
    clear_away(top)


if __name__ == "__main__":  # in a process of its own: that of the tests stays who it is
    _as_nobody(Path(sys.argv[1]))
