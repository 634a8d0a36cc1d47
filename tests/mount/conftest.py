"""A store with one commit of every kind of file, its source on the host, and a check for leaks."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import pfslib
from pfslib.mounts.mount_zygote import zygote_pid
from pfslib.mounts.mountinfo import kernel_mounts
from pfslib.mounts.mounting import BINDING_VARIABLE, Mounted, mount

NOT_UTF8 = b"caf\xe9 \xff\xfe"
LONGEST = b"n" * 255
SIZES = (0, 1, 95, 96, 97, 4095, 4096, 4097, 32_767, 32_768, 32_769, 65_536, 131_072, 1_000_003)
"""Around what the store treats differently: inline, packed, one chunk, many; and pages."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without /dev/fuse there is nothing to test, but in CI that is a failure of its own."""
    if Path("/dev/fuse").exists() or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("mount"):
            item.add_marker(pytest.mark.skip(reason="no /dev/fuse"))


class Source(NamedTuple):
    """A committed directory."""

    store: Path
    host: Path
    """What was committed."""

    view: str
    """The commit's tree, as `mount` wants it named."""

    root: str
    """Its root, 64 hex digits."""


def make_host_tree(top: Path) -> None:
    random_bytes = random.Random(1).randbytes
    files = top / "files"
    files.mkdir(parents=True)
    for size in SIZES:
        (files / f"{size}.bin").write_bytes(random_bytes(size))
    (files / "text").write_bytes(b"a line of text\n" * 300_000)
    names = top / "names"
    names.mkdir()
    for name in (NOT_UTF8, LONGEST, b"-rf", b"new\nline", b" ", b"a,b\\c", "é中".encode()):
        (names / os.fsdecode(name)).write_bytes(name)
    deep = top / Path(*["deep"] * 40)
    deep.mkdir(parents=True)
    (deep / "leaf").write_text("leaf")
    links = top / "links"
    links.mkdir()
    (links / "to_file").symlink_to("../files/1.bin")
    (links / "to_directory").symlink_to("../names")
    (links / "to_nothing").symlink_to("no/such/place")
    (links / "long").symlink_to("x" * 1000)
    script = top / "run.sh"
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o755)
    os.utime(script, ns=(1, 1_234_567_890_123_456_789))
    os.utime(files / "1.bin", ns=(1, -1_500_000_000))


def commit(store: pfslib.Store, host: Path, repo: str = "data") -> str:
    """Put a directory into a new repo; the root of the commit in hex digits."""
    with store.create_repo(repo).commit("master") as commit:
        commit.put_file("/", host)
    assert commit.commit is not None
    return commit.commit.tree.root.node.hex()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(autouse=True)
def _private_mounts_in_base(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that leaks can be told from other people's mounts."""
    monkeypatch.setattr(tempfile, "tempdir", str(base))


@pytest.fixture(scope="session")
def source(base: Path) -> Source:
    make_host_tree(base / "host")
    with pfslib.init(base / "store") as store:
        root = commit(store, base / "host")
    return Source(base / "store", base / "host", f"tree:{root}", root)


def use_binding(name: str, patch: pytest.MonkeyPatch) -> None:
    """Have mounts served by it; mfusepy is an extra, but in CI it has to be there."""
    if name == "mfusepy" and find_spec(name) is None and os.environ.get("CI") != "true":
        pytest.skip("mfusepy is not installed")
    patch.setenv(BINDING_VARIABLE, name)


@pytest.fixture(params=["kernel", "fusepy"])
def binding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Mounts by either; a test can ask for mfusepy, too."""
    use_binding(request.param, monkeypatch)
    return request.param


@pytest.fixture(scope="session", params=["kernel", "fusepy", "mfusepy"])
def mounted(source: Source, base: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """One mount of the commit for all tests that only read, by either binding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(base))
        use_binding(request.param, patch)
        made = mount(source.store, source.view, None, fsname="shared", label="data@123")
    with made as path:
        yield path


@pytest.fixture
def pfs() -> list[str]:
    """The command `pfs`, of this checkout."""
    return [sys.executable, "-m", "pfslib.cli"]


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    path = tmp_path / "mnt"
    path.mkdir()
    return path


@pytest.fixture
def mount_source(source: Source) -> Iterator[Callable[..., Mounted]]:
    """Mount the commit; what the test does not unmount is unmounted after it."""
    made: list[Mounted] = []

    def make(path: Path | None = None, view: str = source.view, **options: object) -> Mounted:
        made.append(mount(source.store, view, path, **{"fsname": "test", **options}))
        return made[-1]

    yield make
    for one in made:
        one.unmount()


class Traces(NamedTuple):
    """What a test could leave behind."""

    mounts: set[Path]
    directories: set[Path]
    children: set[str]


def traces(base: Path) -> Traces:
    top = base.parent
    return Traces(
        {found.path for found in kernel_mounts() if found.path.is_relative_to(top)},
        set(base.iterdir()),
        set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
        - {str(zygote_pid())},
    )


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest, base: Path) -> Iterator[None]:
    if not request.node.get_closest_marker("mount"):
        yield
        return
    if "mounted" in request.fixturenames:
        request.getfixturevalue("mounted")
    before = traces(base)
    yield
    deadline = time.monotonic() + 2.0
    while traces(base) != before and time.monotonic() < deadline:
        time.sleep(0.01)  # what was unmounted is gone, its server is about to be
    assert traces(base) == before
