"""pfs import-archive, export-archive, import-git, split-file and draw, as a shell calls them."""

from __future__ import annotations

import io
import resource
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from pfslib.testing.strategies import noise


@pytest.fixture
def repo(store, pfs) -> None:
    pfs("create-repo", "data")
    pfs("put-file", "data@master:/dir/f", stdin=b"content")
    pfs("put-file", "data@master:/large", stdin=noise(300_000))


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_archives_go_out_and_come_back(repo, pfs, form):
    pfs("export", "archive", "data@master", "-o", f"out.{form}")
    piped = pfs("export-archive", "data", "master", "--format", form).stdout
    for source in (["-f", f"out.{form}"], []):
        pfs("import-archive", "data@back:/", *source, stdin=b"" if source else piped)
        assert pfs("diff", "data@back", "data@master").rows == []
        pfs("delete-branch", "data", "back")


def test_a_part_of_a_commit_goes_to_a_part_of_another(repo, pfs):
    piped = pfs("export-archive", "data@master:/dir").stdout
    with tarfile.open(fileobj=io.BytesIO(piped)) as archive:
        assert archive.getnames() == ["f"]
    pfs("import-archive", "data", "master", "/in/here", "-c", stdin=piped)
    assert pfs("get-file", "data@master:/in/here/f").stdout == b"content"


def test_what_leads_out_is_refused_whole(repo, call, pfs):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good", "1")
        archive.writestr("../bad", "2")
    before = pfs("list-commit", "data").stdout
    result = call("import-archive", "data@master:/", stdin=out.getvalue())
    assert result.code == 2
    assert "'../bad' of the archive would lie outside" in result.stderr
    assert pfs("list-commit", "data").stdout == before


def test_fifos_are_left_out_as_asked(repo, call, pfs, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        fifo = tarfile.TarInfo("fifo")
        fifo.type = tarfile.FIFOTYPE
        archive.addfile(fifo)
    refused = call("import-archive", "data@x:/", "-f", "a.tar")
    assert (refused.code, "`--skip-special`" in refused.stderr) == (2, True)
    assert (
        "left out fifo" in pfs("import-archive", "data@x:/", "-f", "a.tar", "--skip-special").stderr
    )


def test_an_export_of_nothing_makes_no_file(repo, call):
    assert call("export-archive", "data@master:/none", "-o", "out.tar").code == 12
    assert call("export-archive", "data@master:/large", "-o", "out.tar").code == 12
    assert not Path("out.tar").exists()


def test_a_git_history(repo, pfs):
    git = ["git", "-c", "user.name=a", "-c", "user.email=b", "-C", "history"]
    subprocess.run(["git", "init", "-q", "history"], check=True)
    for number in range(3):
        Path("history/f").write_text(str(number))
        subprocess.run([*git, "add", "f"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"number {number}"], check=True)
    made = pfs("import", "git", "history", "data", "git").text.split()
    assert made == [f"data/git/{number}" for number in range(3)]
    assert pfs("import-git", "history", "data", "git").text == ""
    assert pfs("get-file", "data@git^:/f").stdout == b"1"
    assert pfs("export", "git", "data", "out.git", "git").text.split() == made
    assert pfs("export-git", "data", "out.git", "git").text == ""
    assert subprocess.check_output(["git", "-C", "out.git", "show", "git^:f"]) == b"1"


def test_records_become_files(repo, pfs, call):
    pfs("split-file", "data@rows:/r", "--records", "2", "--header", "1", stdin=b"h\na\nb\nc\n")
    names = [row["NAME"] for row in pfs("list-file", "data@rows:/r").rows]
    assert names == [f"/r/{number:016x}" for number in range(2)]
    assert pfs("get-file", f"data@rows:{names[1]}").stdout == b"h\nc\n"
    assert call("split-file", "data@rows:/r", "--by", "json", stdin=b"{").code == 2


def test_the_graph(repo, pfs):
    assert pfs("draw").text == "data  master\n"
    assert pfs("draw", "--format", "mermaid").text.startswith("flowchart")
    assert pfs("draw", "--format", "dot").text.startswith("digraph")
    assert pfs("draw", "--format", "svg").text.startswith("<svg")


def test_an_archive_that_does_not_fit_is_not_there(repo, call, tmp_path):
    (tmp_path / "old.tar").write_bytes(b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("new.tar", "old.tar", "new.zip"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        try:
            assert call("export-archive", "data@master", "-o", name).code == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "old.tar").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.tar", "store"]
