"""What a command may leave in /pfs/out, and how else it may behave: nothing of it does any harm."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib import Job, JobState, Store
from pfslib.kv.tables import Table
from pfslib.testing.runner_workbench import processes_with, unique_duration
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]
Run = Callable[[], list[Job]]


@pytest.fixture
def ran(store: Store, run: Run) -> Callable[..., Job]:
    """Run shell lines on one datum; the job."""

    def ran(*lines: str, content: str = "content", **more: object) -> Job:
        store.create_repo("data")
        store.create_pipeline(shell_spec("p", "data", *lines, **more))
        commit_files(store, "data", {"/dir/a": content, "/dir/b": "b"})
        (job,) = run()
        return job

    return ran


def python(code: str) -> str:
    return f"{sys.executable} -c {shlex.quote(code)}"


def peak_kib() -> int:
    """The most memory that this process had."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return int(line.split()[1])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ln -s ../../../etc/passwd /pfs/out/x", "/pfs/out/x is a link to ../../../etc/passwd"),
        ("ln -s /etc/passwd /pfs/out/x", "is a link to /etc/passwd, which lies outside"),
        ("mkdir /pfs/out/d; ln -s /proc/self/root /pfs/out/d/x", "/pfs/out/d/x is a link to"),
        ("ln -s /pfs/data/../../etc /pfs/out/x", "which lies outside"),
        ("ln -s /pfs/data/nothing /pfs/out/x", "which lies outside"),
        ("cd /pfs/out; mkdir s; ln -s .. s/up; ln -s s/up/../data/dir/no x", "lies outside"),
        ("cd /pfs/out; mkdir s; ln -s .. s/up; ln -s s/up/../../etc x", "/pfs/out/x is a link"),
        ("cd /pfs/out; ln -s /pfs a; ln -s a/../etc b", "/pfs/out/a is a link to /pfs, which"),
        ("ln -s ../data/../../proc/self/root/etc /pfs/out/x", "which lies outside"),
        ("ln -s /pfs/data/out /pfs/out/x", "is a link to /pfs/data/out, which lies outside"),
        ("ln -s /pfs/.paths /pfs/out/x", "which lies outside"),
        ("cd /pfs/out; ln -s b a; ln -s a b", "from where it goes on and on"),
        ("ln -s x /pfs/out/x", "/pfs/out/x is a link to x, from where it goes on and on"),
        ("truncate -s 1T /pfs/out/x", "/pfs/out/x has 1099511627776 bytes that were never"),
        ("ln /pfs/data/dir/a /pfs/out/x", "the command exited with code 1"),
        ("mkfifo /pfs/out/x", "/pfs/out/x is a fifo"),
        (
            python("import socket; socket.socket(socket.AF_UNIX).bind('/pfs/out/x')"),
            "/pfs/out/x is a socket",
        ),
        ("mknod /pfs/out/x c 1 3", "the command exited with code 1"),
        (
            python(
                "import os\nos.chdir('/pfs/out')\nfor _ in range(600): os.mkdir('d'); os.chdir('d')"
            ),
            "is deeper than",
        ),
    ],
)
def test_what_cannot_be_kept_fails_the_datum_and_is_named(
    ran: Callable[..., Job], store: Store, line: str, says: str
) -> None:
    job = ran(line, "echo kept > /pfs/out/ok")
    assert job.state == JobState.FAILURE
    assert says in job.reason
    assert job.reason.startswith("datum data:/dir: ")


def test_links_and_copies_of_inputs_are_taken_by_reference(
    ran: Callable[..., Job], store: Store
) -> None:
    def chunks() -> int:
        with store.kv.read() as txn:
            return sum(1 for _ in txn.scan(Table.CHUNKS))

    content = "".join(f"{n * n}\n" for n in range(60_000))
    store.create_repo("before")
    commit_files(store, "before", {"/a": content})
    before = chunks()
    job = ran(
        "ln -s /pfs/data/dir/a /pfs/out/link",
        "ln -s ../../data/dir /pfs/out/whole; mkdir /pfs/out/sub; rm /pfs/out/whole",
        "ln -s ../../data/dir /pfs/out/sub/whole",
        "cp /pfs/data/dir/a /pfs/out/copy",
        "ln /pfs/out/copy /pfs/out/hard",
        "ln -s copy /pfs/out/inside",
        content=content,
    )
    assert job.reason == ""
    output = store.commit("p@master")
    assert {f.path: f.kind for f in output.walk()} == {
        "/copy": "file",
        "/hard": "file",
        "/inside": "symlink",
        "/link": "file",
        "/sub": "dir",
        "/sub/whole": "dir",
        "/sub/whole/a": "file",
        "/sub/whole/b": "file",
    }
    assert output.get_file("/link") == output.get_file("/hard") == content.encode()
    assert chunks() == before


def test_links_that_stay_inside_do_so_in_the_store(ran: Callable[..., Job], store: Store) -> None:
    job = ran(
        "cd /pfs/out; mkdir -p d/e; echo x > d/e/f; ln -s d/e short; ln -s ../../f d/e/dangling",
        "ln -s short/../e/f lexically-none; ln -s d/../../out round; ln -s . self",
        "ln -s /pfs/out/d/e/f d/absolute; ln -s /pfs/data/dir in; ln -s in/a by-way-of-in",
    )
    assert job.reason == ""
    output = store.commit("p@master")
    links = {f.path: output.get_file(f.path) for f in output.walk() if f.kind == "symlink"}
    assert links == {
        "/d/absolute": b"e/f",
        "/d/e/dangling": b"../../f",
        "/lexically-none": b"short/../e/f",
        "/round": b".",
        "/self": b".",
        "/short": b"d/e",
    }
    assert output.get_file("/by-way-of-in") == output.get_file("/in/a") == b"content"


def test_a_link_of_an_input_is_followed_too(store: Store, run: Run, tmp_path: Path) -> None:
    store.create_repo("data")
    (tmp_path / "in/dir").mkdir(parents=True)
    (tmp_path / "in/dir/out").symlink_to("/etc/passwd")
    (tmp_path / "in/dir/near").symlink_to("../file")
    (tmp_path / "in/file").write_text("near")
    with store.repo("data").commit("master") as made:
        made.put_file("/", tmp_path / "in")
    lines = ["ln -s /pfs/data/dir/$LINK /pfs/out/x"]
    for name, link in (("p", "near"), ("q", "out")):
        transform = {"env": {"LINK": link}}
        store.create_pipeline(shell_spec(name, "data", *lines, glob="/", transform=transform))
    reasons = {job.pipeline: job.reason for job in run()}
    assert reasons["p"] == ""
    assert store.commit("p@master").get_file("/x") == b"near"
    assert "/pfs/out/x is a link to /pfs/data/dir/out, which lies outside" in reasons["q"]


def test_links_in_a_directory_of_an_input_are_judged_as_if_copied(
    store: Store, run: Run, tmp_path: Path
) -> None:
    leads = {
        "absolute": "/etc/passwd",
        "up": "../../../../etc/passwd",
        "around": "near/../../../../../etc/passwd",
        "kept": "near/../f",
        "dangling": "../dd/f",
    }
    for name, target in leads.items():
        place = tmp_path / "in" / name / "dd"
        (place / "deep").mkdir(parents=True)
        (place / "f").write_text("f")
        (place / "near").symlink_to("deep")
        (place / name).symlink_to(target)
    store.create_repo("data")
    with store.repo("data").commit("master") as made:
        made.put_file("/", tmp_path / "in")
    for way in ("ln -s $data/dd", "cp -a $data/dd"):
        pipeline = way.partition(" ")[0]
        lines = [f"mkdir /pfs/out/$(basename $data); {way} /pfs/out/$(basename $data)/dir"]
        store.create_pipeline(shell_spec(pipeline, "data", *lines))
    run()
    for pipeline in ("ln", "cp"):
        (job,) = store.list_job(pipeline)
        reasons = {
            datum.inputs[0].path.decode(): datum.reason for datum in store.list_datum(job.id)
        }
        assert {name for name, reason in reasons.items() if reason} == {"absolute", "up", "around"}
        for name in ("absolute", "up", "around"):
            says = f"/pfs/out/{name}/dir/{name} is a link to {leads[name]}, which lies outside"
            assert says in reasons[name]


def test_odd_but_harmless_things_are_kept(ran: Callable[..., Job], store: Store) -> None:
    job = ran(
        'touch "/pfs/out/new\nline" "$(printf \'/pfs/out/not\\377utf8\')"',
        "echo x > /pfs/out/s; chmod 6755 /pfs/out/s; chmod 000 /pfs/out/s; chmod 4755 /pfs/out/s",
    )
    assert job.reason == ""
    files = {f.path: f for f in store.commit("p@master").list_file()}
    assert sorted(files) == ["/new\nline", "/not\udcffutf8", "/s"]
    assert files["/s"].executable


@pytest.mark.slow
def test_many_small_files(tmp_path: Path) -> None:
    """In memory if there is room, for a busy disk takes minutes to make and remove them."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
    code = "for n in range(100_000): open(f'/pfs/out/{n % 100}-{n}', 'w').write(str(n))"
    with (
        tempfile.TemporaryDirectory(prefix="pfs-", dir=memory if has_room else tmp_path) as place,
        pfslib.init(f"{place}/store") as store,
    ):
        store.create_repo("data")
        store.create_pipeline(shell_spec("p", "data", python(code)))
        commit_files(store, "data", {"/a": ""})
        (job,) = store.run(runner="local", notice=lambda _: None)
        assert job.reason == ""
        output = store.commit("p@master")
        assert output.files == 100_000
        assert output.get_file("/99-77799") == b"77799"


@pytest.mark.slow
def test_a_sparse_file(ran: Callable[..., Job], store: Store) -> None:
    """Its holes are not read, which would fill the kernel's memory."""
    assert ran("truncate -s 10G /pfs/out/x; echo end >> /pfs/out/x").reason == ""
    output = store.commit("p@master")
    assert output.size == (10 << 30) + 4
    assert output.get_file("/x", offset=(10 << 30) - 2) == b"\0\0end\n"
    assert store.stats().file_bytes < 2 << 20


def test_what_is_still_running_writes_no_more(ran: Callable[..., Job], store: Store) -> None:
    duration = unique_duration()
    loop = "while :; do echo more >> /pfs/out/x; done"
    job = ran(f"setsid sh -c {shlex.quote(loop)} & setsid sleep {duration} & sleep 0.2")
    assert job.reason == ""
    assert processes_with(duration) == []
    assert store.commit("p@master").get_file("/x").endswith(b"more\n")


def test_the_output_directory_cannot_be_taken_away(ran: Callable[..., Job], store: Store) -> None:
    job = ran(
        "echo x > /pfs/out/x; rm -rf /pfs/out || true",
        "mv /pfs/out /pfs/else || true",
        "echo > /pfs/data/dir/a || true; rm /pfs/data/dir/a || true",
    )
    assert job.reason == ""
    assert list(store.commit("p@master").list_file()) == []
    assert store.commit("data@master").get_file("/dir/a") == b"content"


@pytest.mark.slow
def test_a_flood_of_output(ran: Callable[..., Job], store: Store) -> None:
    """A gigabyte: neither memory nor the log grows with it."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak, from now on
    before = peak_kib()
    job = ran("echo begin; head -c 1G /dev/zero | tr '\\0' x; echo; echo end")
    assert job.reason == ""
    assert peak_kib() - before < 64 << 10
    ((_, _, log),) = store.get_logs(job.id)
    assert log.startswith(b"beginxxx"[:5])
    assert log.endswith(b"xxx\nend\n")
    assert len(log) < (1 << 20) + 200
    assert b"bytes left out" in log


def test_a_command_that_ignores_every_signal_is_killed_in_time(ran: Callable[..., Job]) -> None:
    duration = unique_duration()
    began = time.monotonic()
    job = ran(f"trap '' TERM INT HUP; sleep {duration} & sleep {duration}", datum_timeout="400ms")
    assert "timed out after 0.4 s" in job.reason
    assert time.monotonic() - began < 20
    assert processes_with(duration) == []


@pytest.mark.parametrize(
    ("cmd", "says"),
    [
        (["no-such-command"], "could not be started: No such file"),
        (["/etc/passwd"], "could not be started: Permission denied"),
    ],
)
def test_a_command_that_is_none(store: Store, run: Run, cmd: list[str], says: str) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", transform={"cmd": cmd}))
    commit_files(store, "data", {"/a": "a"})
    assert says in run()[0].reason


def test_a_command_cut_off_from_the_network(ran: Callable[..., Job], store: Store) -> None:
    job = ran("cat /proc/net/dev | grep -c : > /pfs/out/n", transform={"network": "none"})
    assert job.reason == ""
    assert store.commit("p@master").get_file("/n") == b"1\n"  # the loopback, which is down


def test_a_command_with_too_little_memory(ran: Callable[..., Job], store: Store) -> None:
    limits = {"resource_limits": {"memory": "200Mi", "cpu": 1}}
    job = ran(f"nproc; {python('x = bytearray(1 << 30)')}", datum_tries=2, **limits)
    assert "memory" in job.reason or "200 MiB of address space" in job.reason
    (record,) = store.list_datum(job.id)
    assert record.attempts == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_command_of_another_user_reads_its_inputs(ran: Callable[..., Job], store: Store) -> None:
    job = ran(
        "id -u > /pfs/out/id; cat /pfs/data/dir/a >> /pfs/out/id; ln -s ../data/dir /pfs/out/dir",
        "mkdir -m 0 /pfs/out/shut; echo > /dev/stdout; cd; pwd >> /pfs/out/id",
        transform={"user": "1234"},
    )
    assert job.reason == ""
    output = store.commit("p@master")
    assert output.get_file("/id") == b"1234\ncontent/\n"
    assert output.get_file("/dir/b") == b"b"


def test_nothing_is_written_outside_of_the_output(
    ran: Callable[..., Job], tmp_path: Path, store: Store
) -> None:
    """The store, above all, is not even there."""
    job = ran(f"ls -A {store.path} > /pfs/out/seen || true; touch {store.path}/x || true")
    assert job.reason == ""
    assert store.commit("p@master").get_file("/seen") == b""
    assert not (store.path / "x").exists()
