"""A git history as commits: each one, with its files as git has them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

import pfslib
from pfslib.interop import git_export
from pfslib.interop.git_export import export_git
from pfslib.interop.git_history import import_git

WHO = {
    "GIT_AUTHOR_NAME": "Ann Ä", "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Bob", "GIT_COMMITTER_EMAIL": "bob@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


class Git:
    """A work tree."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.clock = 1_600_000_000
        directory.mkdir()
        self("init", "-q", "-b", "main")

    def __call__(self, *arguments: str) -> str:
        self.clock += 60
        date, written = f"{self.clock} +0200", f"{self.clock - 30} -0330"
        done = subprocess.run(
            ["git", "-C", self.directory, *arguments],
            env={**os.environ, **WHO, "GIT_AUTHOR_DATE": written, "GIT_COMMITTER_DATE": date},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, message: str) -> str:
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(tmp_path) -> Git:
    return Git(tmp_path / "work")


@pytest.fixture
def filled(git) -> Git:
    top = git.directory
    (top / "src").mkdir()
    (top / "src/a.py").write_text("print(1)\n")
    (top / "run").write_text("#!/bin/sh\n")
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("src/a.py")
    (top / os.fsdecode(b"odd \xff\n\t name")).write_bytes(bytes(range(256)) * 1000)
    git.commit("first\n\nwith a body")
    (top / "src/a.py").unlink()
    (top / "src").rmdir()
    (top / "src").write_text("a file now")
    git.commit("a directory becomes a file")
    (top / "src").unlink()
    (top / "src").mkdir()
    (top / "src/b.py").write_text("2")
    git("mv", "run", "walk")
    git.commit("and a directory again")
    git.commit("nothing")
    git("checkout", "-q", "-b", "side")
    (top / "side").write_text("side")
    git.commit("on the side")
    git("checkout", "-q", "main")
    (top / "main").write_text("main")
    git.commit("on main")
    git("merge", "-q", "--no-edit", "-m", "merged", "side")
    return git


def in_git(git: Git, commit: str) -> dict[str, tuple[str, bytes]]:
    found = {}
    for row in filter(None, git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")):
        meta, path = row.split("\t", 1)
        mode, _, blob = meta.split()
        data = subprocess.run(
            ["git", "-C", git.directory, "cat-file", "blob", blob], capture_output=True, check=True
        ).stdout
        found[path] = (mode, data)
    return found


def in_commit(commit: pfslib.Commit) -> dict[str, tuple[str, bytes]]:
    modes = {("file", False): "100644", ("file", True): "100755", ("symlink", False): "120000"}
    return {
        info.path[1:]: (modes[info.kind, info.executable], commit.get_file(info.path))
        for info in commit.walk()
        if info.kind != "dir"
    }


def test_every_commit_holds_what_git_has(repo, filled):
    commits = import_git(repo, filled.directory)
    shas = filled("rev-list", "--first-parent", "--reverse", "HEAD").split()
    assert len(commits) == len(shas) == 6
    for commit, sha in zip(commits, shas, strict=True):
        assert in_commit(commit) == in_git(filled, sha)
        assert commit.message.endswith(f"git-commit: {sha}")
    first = commits[0]
    assert first.message.startswith("first\n\nwith a body\n\ngit-author: Ann Ä <ann@example.org>")
    date = filled("show", "-s", "--format=%ct", shas[0])
    assert first.inspect_file("/run").modified.timestamp() == int(date)
    assert commits == list(repo.list_commit("master"))


def test_the_next_import_brings_only_what_is_new(repo, filled):
    before = import_git(repo, filled.directory)
    assert import_git(repo, filled.directory) == []
    (filled.directory / "more").write_text("more")
    sha = filled.commit("more")
    (new,) = import_git(repo, filled.directory, "main")
    assert in_commit(new) == in_git(filled, sha)
    assert new.parent() == before[-1]


def test_an_import_that_was_interrupted_goes_on(repo, filled, monkeypatch):
    from pfslib.interop import git_history

    real, left = git_history._put, [9]

    def fail_later(*arguments) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(git_history, "_put", fail_later)
    with pytest.raises(KeyboardInterrupt):
        import_git(repo, filled.directory)
    half = len(list(repo.list_commit("master")))
    assert 0 < half < 6
    monkeypatch.undo()
    assert len(import_git(repo, filled.directory)) == 6 - half
    assert in_commit(repo["master"]) == in_git(filled, "HEAD")


def test_another_ref_to_another_branch(repo, filled):
    import_git(repo, filled.directory, "side", branch="side")
    assert in_commit(repo["side"]) == in_git(filled, "side")
    with pytest.raises(pfslib.ConflictError, match="not in the history"):
        import_git(repo, filled.directory, "side~1", branch="side")
    with repo.commit("own") as commit:
        commit.put_file("/f", b"1")
    with pytest.raises(pfslib.ConflictError, match="came from no git"):
        import_git(repo, filled.directory, branch="own")


def test_only_a_commit_has_a_history(repo, filled):
    filled("tag", "-a", "-m", "annotated", "v1")
    for ref in ("main~2..main", "^main~2", "main^{tree}", "none", "--all"):
        with pytest.raises(pfslib.InvalidInputError, match="git says"):
            import_git(repo, filled.directory, ref)
    assert list(repo.list_commit()) == []
    assert len(import_git(repo, filled.directory, "v1")) == 6


def test_messages_are_decoded_as_git_says(repo, git):
    git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m",
        b"caf\xe9".decode("utf-8", "surrogateescape"))  # fmt: skip
    git("-c", "i18n.commitEncoding=none-such", "commit", "-q", "--allow-empty", "-m", "plain")
    first, second = import_git(repo, git.directory)
    assert first.message.startswith("caf\u00e9\n")
    assert second.message.startswith("plain\n")


def test_submodules_are_left_out(repo, filled, tmp_path):
    inner = Git(tmp_path / "inner")
    (inner.directory / "f").write_text("1")
    inner.commit("inner")
    filled(
        "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.directory), "sub"
    )
    filled.commit("with a submodule")
    found = in_commit(import_git(repo, filled.directory)[-1])
    assert ".gitmodules" in found
    assert "sub" not in found


def test_no_other_repository_is_taken_for_the_one_named(repo, filled, tmp_path, monkeypatch):
    """As git itself would: one around the directory, or that of a hook's environment."""
    (filled.directory / "inside").mkdir()
    with pytest.raises(pfslib.InvalidInputError, match="not a git repository"):
        import_git(repo, filled.directory / "inside")
    monkeypatch.setenv("GIT_DIR", str(filled.directory / ".git"))
    (tmp_path / "none").mkdir()
    with pytest.raises(pfslib.InvalidInputError, match="/none: git says: not a git repository"):
        import_git(repo, tmp_path / "none")
    assert len(import_git(repo, filled.directory)) == 6


def test_a_bare_repository_and_git_of_no_repository(repo, filled, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run(["git", "clone", "-q", "--bare", filled.directory, bare], check=True)
    assert len(import_git(repo, bare)) == 6
    (tmp_path / "none").mkdir()
    for directory in (tmp_path / "none", tmp_path / "missing"):
        with pytest.raises(pfslib.InvalidInputError, match="git says"):
            import_git(repo, directory)
    for ref in ("none", "--all", "-h"):
        with pytest.raises(pfslib.InvalidInputError, match="git says"):
            import_git(repo, bare, ref, branch="other")


def test_a_repository_without_all_of_its_objects(repo, filled):
    objects = filled.directory / ".git/objects"
    blob = filled("rev-parse", "HEAD:walk")
    shutil.rmtree(objects / blob[:2])
    with pytest.raises(pfslib.InvalidInputError, match=f"lacks object {blob}|git says"):
        import_git(repo, filled.directory)
    assert repo.list_open() == []


def test_a_hostile_repository_runs_nothing(repo, filled, tmp_path):
    ran = tmp_path / "ran"
    hook = filled.directory / ".git/evil"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "core.sshCommand",
        "core.askPass",
    ):
        filled("config", name, str(hook))
    filled("config", "filter.evil.smudge", str(hook))
    filled("config", "diff.evil.textconv", str(hook))
    filled("config", "remote.origin.url", f"ext::{hook}")
    filled("config", "remote.origin.promisor", "true")
    filled("config", "extensions.partialClone", "origin")
    (filled.directory / ".git/info/attributes").write_text("* filter=evil diff=evil\n")
    ran.unlink(missing_ok=True)
    import_git(repo, filled.directory)
    missing = filled.directory / ".git/objects" / filled("rev-parse", "HEAD:main")[:2]
    ran.unlink(missing_ok=True)
    shutil.rmtree(missing)
    with pytest.raises(pfslib.InvalidInputError):
        import_git(repo, filled.directory, branch="again")
    assert not ran.exists()


# --- out -------------------------------------------------------------------------------------


class Bare(Git):
    """A repository that an export has made."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.clock = 0


def test_what_came_from_git_goes_back_as_it_was(repo, filled, tmp_path):
    commits = import_git(repo, filled.directory)
    assert export_git(repo, tmp_path / "out") == commits
    out = Bare(tmp_path / "out")
    out("fsck", "--strict")
    theirs = filled("rev-list", "--first-parent", "--reverse", "HEAD").split()
    ours = out("rev-list", "--reverse", "master").split()
    dates = ("show", "-s", "--format=%ad, %cd", "--date=raw")
    for mine, other in zip(ours, theirs, strict=True):
        assert out(*dates, mine) == filled(*dates, other)
        assert out("rev-parse", f"{mine}^{{tree}}") == filled("rev-parse", f"{other}^{{tree}}")
    assert out("show", "-s", "--format=%an <%ae>", ours[0]) == "Ann Ä <ann@example.org>"
    assert out("show", "-s", "--format=%s", ours[0]) == "first"


def test_the_next_export_brings_only_what_is_new(repo, tmp_path):
    with repo.commit(message="one") as commit:
        commit.put_file('/a "quoted"\n\\name', b"1")
    assert len(export_git(repo, tmp_path / "out")) == 1
    assert export_git(repo, tmp_path / "out") == []
    with repo.commit() as commit:
        commit.put_file("/b", b"2")
    assert [made.id for made in export_git(repo, tmp_path / "out")] == [repo["master"].id]
    assert in_git(Bare(tmp_path / "out"), "master").keys() >= {"b"}
    assert in_commit(repo["master"]) == in_git(Bare(tmp_path / "out"), "master")
    repo.drop_commit("master")
    with pytest.raises(pfslib.ConflictError, match="no longer one of the branch"):
        export_git(repo, tmp_path / "out")


def test_an_export_is_whole_or_not_there(repo, filled, tmp_path):
    with repo.commit() as commit:
        commit.put_file("/good", b"1")
    with repo.commit() as commit:
        commit.put_file("/.git/config", b"2")
    with pytest.raises(pfslib.InvalidInputError, match=r"\.git/config would be"):
        export_git(repo, tmp_path / "out")
    assert Bare(tmp_path / "out")("for-each-ref") == ""
    with pytest.raises(pfslib.ConflictError, match="came from no store"):
        filled("branch", "master")
        export_git(repo, filled.directory)
    with repo.commit("a..b") as commit:
        commit.put_file("/good", b"1")
    with pytest.raises(pfslib.InvalidInputError, match="git says: Branch name"):
        export_git(repo, tmp_path / "out", "a..b")
    with pytest.raises(pfslib.BranchNotFoundError):
        export_git(repo, tmp_path / "other", "none")
    assert not (tmp_path / "other").exists()


def test_a_repository_that_cannot_be_made_is_said(repo, tmp_path, monkeypatch):
    with repo.commit() as commit:
        commit.put_file("/a", b"1")
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(pfslib.InvalidInputError, match=r"git says: \S"):
            export_git(repo, target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert len(export_git(repo, "-odd")) == 1
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "date", ["then", "2020-01-01", "1969-01-01T00:00+00:00", "2020-01-01T00:00+23:59"]
)
def test_what_git_takes_for_no_date_is_that_of_the_commit(repo, tmp_path, date):
    with repo.commit(message=f"first\n\ngit-date: {date}") as commit:
        commit.put_file("/a", b"1")
    export_git(repo, tmp_path / "out")
    shown = Bare(tmp_path / "out")("show", "-s", "--format=%at %ct", "master").split()
    assert shown == [f"{repo['master'].finished.timestamp():.0f}"] * 2


@pytest.mark.parametrize("author", ["A\0B <a@b>", "A<a@b>", "A <a\0@b>", "none"])
def test_what_git_takes_for_no_author_is_none(repo, tmp_path, author):
    with repo.commit(message=f"first\0 line\n\ngit-author: {author}") as commit:
        commit.put_file("/a", b"1")
    assert len(export_git(repo, tmp_path / "out")) == 1
    assert export_git(repo, tmp_path / "out") == []
    out = Bare(tmp_path / "out")
    assert out("show", "-s", "--format=%an <%ae> %s", "master") == "pfslib <pfslib> first line"


def test_the_committer_is_whom_git_was_told_to_be(repo, tmp_path, monkeypatch):
    settings = tmp_path / "gitconfig"
    settings.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    committers = []
    for number, said in enumerate(("", "[user]\nname = Ada L\nemail = ada@example.org\n")):
        settings.write_text(said)
        repo.put_file("/a", str(number))
        export_git(repo, tmp_path / "out")
        shown = Bare(tmp_path / "out")("show", "-s", "--format=%cn <%ce>, %an", "master")
        committers.append(shown.strip())
    assert committers == ["pfslib <pfslib>, pfslib", "Ada L <ada@example.org>, pfslib"]


def test_a_failed_export_leaves_no_report_behind(repo, tmp_path):
    with repo.commit("a..b") as commit:
        commit.put_file("/good", b"1")
    with pytest.raises(pfslib.InvalidInputError, match="git says: Branch name"):
        export_git(repo, tmp_path / "out", "a..b")
    assert list((tmp_path / "out").glob("*crash*")) == []


def test_git_says_why_it_moves_no_branch(repo, tmp_path):
    def one_more() -> None:
        with repo.commit() as commit:
            commit.put_file("/a", b"1", append=True)

    one_more()
    export_git(repo, tmp_path / "out")
    out = Bare(tmp_path / "out")
    one_more()
    lock = tmp_path / "out/refs/heads/master.lock"
    lock.touch()
    with pytest.raises(pfslib.BusyError, match=r"master\.lock': File exists"):
        export_git(repo, tmp_path / "out")
    lock.unlink()
    out("branch", "-m", "master", "moved")
    out("branch", "master/below", "moved")
    with pytest.raises(pfslib.ConflictError, match="'refs/heads/master/below' exists"):
        export_git(repo, tmp_path / "out")
    out("branch", "-D", "master/below")
    assert len(export_git(repo, tmp_path / "out")) == 2


def test_a_branch_that_somebody_else_moves_meanwhile_is_theirs(repo, tmp_path, monkeypatch):
    with repo.commit() as commit:
        commit.put_file("/a", b"1")
    out = Git(tmp_path / "out")
    real = git_export._stream

    def while_others_work(*arguments):
        out("checkout", "-q", "-b", "master")
        out.commit("theirs")
        yield from real(*arguments)

    monkeypatch.setattr(git_export, "_stream", while_others_work)
    with pytest.raises(pfslib.ConflictError, match="Not updating refs/heads/master"):
        export_git(repo, out.directory)


def test_a_branch_that_is_checked_out_is_left_alone(repo, git, tmp_path):
    with repo.commit("main") as commit:
        commit.put_file("/a", b"1")
    with pytest.raises(pfslib.ConflictError, match="main is checked out"):
        export_git(repo, git.directory, "main")
    git("checkout", "-q", "--orphan", "other")
    assert len(export_git(repo, git.directory, "main")) == 1
    git("worktree", "add", "-q", str(tmp_path / "second"), "main")
    assert export_git(repo, git.directory, "main") == []
    with repo.commit("main") as commit:
        commit.put_file("/a", b"2")
    with pytest.raises(pfslib.ConflictError, match="main is checked out"):
        export_git(repo, git.directory, "main")
    assert git("show", "main:a") == "1"
