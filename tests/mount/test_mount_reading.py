"""What a mount shows is what was committed: bytes, names, modes, links, times, sizes."""

from __future__ import annotations

import errno
import mmap
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfslib.mounts.mounting import Mounted

pytestmark = pytest.mark.mount


def everything_below(top: Path) -> dict[bytes, os.stat_result]:
    """Path below the top, as bytes, to its lstat record."""
    return {bytes(path.relative_to(top)): path.lstat() for path in top.rglob("*")}


def test_same_names_everywhere(mounted: Path, source) -> None:
    """Recursively, with names of 255 bytes, of any bytes, and 40 directories deep."""
    assert set(everything_below(mounted)) == set(everything_below(source.host))


def test_same_bytes_everywhere(mounted: Path, source) -> None:
    files = [
        name for name, found in everything_below(source.host).items() if stat.S_ISREG(found.st_mode)
    ]
    assert len(files) > 20
    for name in files:
        path = os.fsdecode(name)
        assert (mounted / path).read_bytes() == (source.host / path).read_bytes()


def test_stat_says_the_truth(mounted: Path, source) -> None:
    expected = everything_below(source.host)
    for name, found in everything_below(mounted).items():
        host = expected[name]
        assert stat.S_IFMT(found.st_mode) == stat.S_IFMT(host.st_mode), name
        assert found.st_nlink == 1
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        assert found.st_ino != 0
        if not stat.S_ISDIR(host.st_mode):
            assert found.st_size == host.st_size
            assert found.st_blocks == -(-host.st_size // 512)
            assert found.st_mtime_ns == host.st_mtime_ns


def test_modes(mounted: Path) -> None:
    def mode(name: str) -> str:
        return stat.filemode((mounted / name).lstat().st_mode)

    assert mode(".") == "dr-xr-xr-x"
    assert mode("files") == "dr-xr-xr-x"
    assert mode("files/1.bin") == "-r--r--r--"
    assert mode("run.sh") == "-r-xr-xr-x"
    assert mode("links/to_file") == "lrwxrwxrwx"


def test_symlinks(mounted: Path, source) -> None:
    for link in (source.host / "links").iterdir():
        assert (mounted / "links" / link.name).readlink() == link.readlink()
    assert (mounted / "links" / "to_file").read_bytes() == (mounted / "files/1.bin").read_bytes()


def test_inode_numbers_are_distinct_and_agree_with_the_listing(mounted: Path) -> None:
    found = everything_below(mounted)
    assert len({one.st_ino for one in found.values()}) == len(found)
    for entry in os.scandir(mounted / "files"):
        assert entry.inode() == found[b"files/" + os.fsencode(entry.name)].st_ino


def test_listing_tells_types_without_a_stat(mounted: Path) -> None:
    """``find -type f`` on 100k files takes ten times as long without."""
    listed = subprocess.run(
        ["find", mounted, "-type", "f", "-name", "*.bin"], capture_output=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 14
    traced = subprocess.run(
        [
            "python3",
            "-c",
            f"import os; print({{e.is_file() for e in os.scandir({str(mounted / 'files')!r})}})",
        ],
        capture_output=True,
        check=True,
    )
    assert traced.stdout == b"{True}\n"


def test_programs_run_from_the_mount(mounted: Path) -> None:
    assert subprocess.run([mounted / "run.sh"], capture_output=True, check=True).stdout == b"ran\n"


def test_du_adds_up(mounted: Path, source) -> None:
    """The sum of the files' sizes, directories counting nothing."""
    expected = sum(
        found.st_size
        for found in everything_below(source.host).values()
        if not stat.S_ISDIR(found.st_mode)
    )
    said = subprocess.run(["du", "-sb", mounted], capture_output=True, check=True).stdout
    assert int(said.split()[0]) == expected


def test_tar_reads_all_of_it(mounted: Path, source, tmp_path: Path) -> None:
    archive = tmp_path / "all.tar"
    subprocess.run(["tar", "-C", mounted, "-cf", archive, "."], check=True)
    compared = subprocess.run(
        ["tar", "-C", source.host, "--compare", "-f", archive], capture_output=True, check=False
    )
    differences = [
        line
        for line in compared.stdout.splitlines()
        if not line.endswith((b": Mode differs", b": Mod time differs"))
    ]
    assert differences == []


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_range_of_any_file(mounted: Path, source, data: st.DataObject) -> None:
    """Offsets and lengths around the edges of pages, chunks and the file itself."""
    size = data.draw(st.sampled_from((1, 97, 4097, 32_769, 131_072, 1_000_003)))
    near_edge = st.builds(
        lambda edge, off: max(0, edge + off),
        st.sampled_from((0, 4096, 32_768, 65_536, 131_072, size)),
        st.integers(-3, 3),
    )
    offset = data.draw(near_edge | st.integers(0, size + 10))
    length = data.draw(near_edge | st.integers(0, size))
    name = f"files/{size}.bin"
    with (mounted / name).open("rb", buffering=0) as file:
        # Without cached pages the kernel asks the server for this very range.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        got = os.pread(file.fileno(), length, offset)
    expected = (source.host / name).read_bytes()[offset : offset + length]
    assert got == expected


def test_cold_random_reads_in_a_fresh_mount(mount_source: Callable[..., Mounted], source) -> None:
    expected = (source.host / "files/text").read_bytes()
    chance = random.Random(7)
    with mount_source() as path, (path / "files/text").open("rb", buffering=0) as file:
        for _ in range(200):
            offset = chance.randrange(len(expected))
            length = chance.choice([1, 100, 5000, 140_000])
            assert os.pread(file.fileno(), length, offset) == expected[offset : offset + length]


def test_memory_map_of_ones_own_mount(mounted: Path, source) -> None:
    """A page fault holds the interpreter lock: a server thread in this process would deadlock."""
    expected = (source.host / "files/1000003.bin").read_bytes()
    with (
        (mounted / "files/1000003.bin").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert mapped[-10:] == expected[-10:]
        assert mapped[:] == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "files/1.bin").write_bytes(b""),
        lambda top: (top / "files/1.bin").open("ab"),
        lambda top: (top / "new").write_bytes(b""),
        lambda top: (top / "new").mkdir(),
        lambda top: (top / "files/1.bin").unlink(),
        lambda top: (top / "names").rmdir(),
        lambda top: (top / "run.sh").rename(top / "walk.sh"),
        lambda top: (top / "run.sh").chmod(0o777),
        lambda top: os.chown(top / "run.sh", 1, 1),
        lambda top: os.utime(top / "run.sh"),
        lambda top: (top / "new").symlink_to("x"),
        lambda top: (top / "new").hardlink_to(top / "run.sh"),
        lambda top: os.truncate(top / "run.sh", 0),
        lambda top: os.mkfifo(top / "new"),
        lambda top: os.setxattr(top / "run.sh", "user.x", b""),
        lambda top: os.removexattr(top / "run.sh", "user.pfs.digest"),
    ],
)
def test_nothing_can_be_changed(mounted: Path, change: Callable[[Path], object]) -> None:
    with pytest.raises(OSError, match=rf"Errno {errno.EROFS}\]"):
        change(mounted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can remount")
def test_root_can_remount_it_as_writable_but_nothing_changes(
    mount_source: Callable[..., Mounted],
) -> None:
    """Then the kernel lets changes through, and it is the server that refuses."""
    with mount_source() as path:
        subprocess.run(["mount", "-i", "-o", "remount,rw", path], check=True)
        for change in (
            (path / "new").mkdir,
            lambda: (path / "new").write_bytes(b"x"),
            lambda: (path / "run.sh").write_bytes(b"x"),
            (path / "run.sh").unlink,
            lambda: os.setxattr(path / "run.sh", "user.x", b""),
        ):
            with pytest.raises(OSError, match=rf"Errno {errno.EROFS}\]"):
                change()


@pytest.mark.parametrize(
    ("ask", "number"),
    [
        (lambda top: (top / "nope").stat(), errno.ENOENT),
        (lambda top: (top / "files/1.bin/x").stat(), errno.ENOTDIR),
        (lambda top: list((top / "files/1.bin").iterdir()), errno.ENOTDIR),
        (lambda top: (top / "files").read_bytes(), errno.EISDIR),
        (lambda top: (top / "files").readlink(), errno.EINVAL),
        (lambda top: (top / ("n" * 256)).stat(), errno.ENAMETOOLONG),
        (lambda top: os.getxattr(top / "files", "user.nope"), errno.ENODATA),
    ],
)
def test_mistakes_get_their_errno(
    mounted: Path, ask: Callable[[Path], object], number: int
) -> None:
    with pytest.raises(OSError, match=rf"Errno {number}\]"):
        ask(mounted)


def test_extended_attributes(mounted: Path) -> None:
    path = mounted / "files/1.bin"
    assert os.listxattr(path) == ["user.pfs.digest", "user.pfs.commit", "user.pfs.pieces"]
    assert os.getxattr(path, "user.pfs.commit") == b"data@123"
    assert os.getxattr(path, "user.pfs.pieces") == b"0"
    assert os.getxattr(mounted / "files/97.bin", "user.pfs.pieces") == b"1"
    assert int(os.getxattr(mounted / "files/1000003.bin", "user.pfs.pieces")) > 5
    assert os.listxattr(mounted / "files") == ["user.pfs.digest", "user.pfs.commit"]
    assert len(bytes.fromhex(os.getxattr(path, "user.pfs.digest").decode())) == 32


def test_equal_files_have_equal_digests(mounted: Path) -> None:
    def digest(name: str) -> bytes:
        return os.getxattr(mounted / name, "user.pfs.digest")

    assert digest("files/95.bin") != digest("files/96.bin")
    assert digest("links/to_file") == digest("files/1.bin")


def test_statvfs(mounted: Path, source) -> None:
    found = os.statvfs(mounted)
    files = [one for one in everything_below(source.host).values() if not stat.S_ISDIR(one.st_mode)]
    total = sum(one.st_size for one in files)
    assert found.f_blocks * found.f_frsize == -(-total // 4096) * 4096
    assert (found.f_files, found.f_bfree, found.f_namemax) == (len(files), 0, 255)


def test_what_the_kernel_knows_it_does_not_ask_for_again(
    mount_source: Callable[..., Mounted],
) -> None:
    """Names, missing names, attributes, opens and pages: a stopped server is not even noticed."""
    # Unbuffered, because open() else asks whether it is a terminal: that the kernel passes on.
    asking = (
        "import os, sys; os.chdir(sys.argv[1]); "
        "data = open('files/text', 'rb', buffering=0).read(); "
        "print(len(data), os.path.exists('nope'), os.stat('run.sh'))"
    )
    made = mount_source()
    answers = []
    try:
        for _ in range(2):
            command = [sys.executable, "-c", asking, made.path]
            answers.append(subprocess.check_output(command, timeout=10))
            os.kill(made.pid, signal.SIGSTOP)
    finally:
        os.kill(made.pid, signal.SIGCONT)
    assert answers[0] == answers[1]


def test_many_threads_and_processes_at_once(mounted: Path) -> None:
    """One server thread answers them all, one after the other, and mixes nothing up."""
    summing = f"cd {mounted} && find . -type f -print0 | sort -z | xargs -0 md5sum | md5sum"
    running = [
        subprocess.Popen(["sh", "-c", summing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(6)
    ]
    assert len({one.communicate()[0] for one in running}) == 1
