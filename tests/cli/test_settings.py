"""Settings: who says them, in which order, and the file that `pfs config set` writes."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pfslib
from pfslib.cli.main import cli
from pfslib.cli.session import Session
from pfslib.kv.preferences import SETTINGS, config_file, find_setting, parse_config

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text("utf-8")


@pytest.fixture
def file(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PFS_RUNNER", raising=False)
    path = tmp_path / "config/pfs/config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_the_store_is_that_of_argument_environment_place_and_file(
    file: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv("PFS_STORE", raising=False)
    for name in ("argument", "environment", "file", "place/.pfs"):
        pfslib.init(tmp_path / name).close()
    file.write_text(f'store = "{tmp_path}/file"')

    def opened(path: Path | None = None) -> str:
        with pfslib.open(path) as store:
            return str(store.path.relative_to(tmp_path))

    monkeypatch.chdir(tmp_path)
    assert opened() == "file"
    monkeypatch.chdir(tmp_path / "place")
    assert opened() == "place/.pfs"
    monkeypatch.setenv("PFS_STORE", str(tmp_path / "environment"))
    assert opened() == "environment"
    assert opened(tmp_path / "argument") == "argument"
    monkeypatch.delenv("PFS_STORE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    file.write_text('store = "~/argument"')
    assert opened() == "argument"
    file.unlink()
    with pytest.raises(pfslib.StoreNotFoundError):
        pfslib.open()


def test_who_says_it_is_shown(store: Path, pfs, file: Path, monkeypatch, tmp_path: Path) -> None:
    def origin(name: str) -> tuple[str, str]:
        rows = {row["NAME"]: row for row in pfs("config", "list", "--origin").rows}
        return rows[name]["VALUE"], rows[name]["ORIGIN"]

    assert origin("runner") == ("auto", "default")
    pfs("config", "set", "runner", "local")
    assert origin("runner") == ("local", str(file))
    monkeypatch.setenv("PFS_RUNNER", "docker")
    assert origin("runner") == ("docker", "PFS_RUNNER")
    assert pfs("config-get", "runner").text == "docker\n"
    assert origin("store") == (str(store), "PFS_STORE")
    monkeypatch.delenv("PFS_STORE")
    pfs("init", "here/.pfs")
    pfs("config", "set", "store", "here")
    assert origin("store") == (str(tmp_path / "here"), str(file))
    monkeypatch.chdir("here")
    assert origin("store") == (str(tmp_path / "here/.pfs"), "nearest .pfs")


def test_a_command_takes_the_runner_of_the_file(store: Path, call, file: Path, monkeypatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("pfslib.cli.jobs.run_jobs", lambda session, _: seen.append(session.runner))
    file.write_text('runner = "docker"')
    call("run")
    call("run", "--runner", "local")
    monkeypatch.setenv("PFS_RUNNER", "auto")
    call("run")
    assert seen == ["docker", "local", "auto"]
    assert Session().runner == "auto"


def test_the_rest_of_the_file_stays(store: Path, pfs, call, file: Path) -> None:
    file.write_text('# mine\nrunner = "local"\n\n  color="never"  # as I like it')
    file.chmod(0o600)
    pfs("config", "set", "egress", "a b/\u00e9\"'")
    pfs("config", "set", "runner", "docker")
    pfs("config", "set", "color", "always")
    path = f"{Path.cwd()}/a b/\u00e9\\\"'"
    colored = 'color = "always"  # as I like it\n'
    kept, new = '# mine\nrunner = "docker"\n\n', f'egress = "{path}"\n'
    assert file.read_text("utf-8") == kept + colored + new
    pfs("config", "unset", "color")
    assert file.read_text("utf-8") == kept + new
    assert file.stat().st_mode & 0o777 == 0o600
    assert "cannot be empty" in call("config", "set", "egress", "").stderr
    assert pfs("config-get", "egress").text == f"{Path.cwd()}/a b/\u00e9\"'\n"
    clever = 'egress = """\n/a\nrunner = "local"\n"""\n'
    file.write_text(clever)
    assert call("config", "set", "runner", "local").code == 2
    assert file.read_text() == clever
    file.unlink()
    file.parent.rmdir()
    file.parent.parent.rmdir()
    pfs("config", "set", "color", "never")
    assert file.read_text() == 'color = "never"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stor = 'x'", "there is no setting 'stor'\n  hint: did you mean 'store'?"),
        ("store = 1", "store is not text"),
        ("store = 'lake'", "store is the relative path 'lake'"),
        ("store", "is no TOML"),
        ("runner = 'dokcer'", "runner cannot be 'dokcer'\n  hint: it is one of auto, local"),
        ("color = '\udcff'", "is no TOML"),
    ],
)
def test_what_is_not_understood_is_said(
    store: Path, call, file: Path, monkeypatch, text: str, sentence: str
) -> None:
    file.write_bytes(os.fsencode(text))
    monkeypatch.delenv("PFS_STORE")
    result = call("run")
    assert (result.code, result.stdout) == (2, b"")
    assert f"pfs: {file}" in result.stderr
    assert sentence in result.stderr
    assert call("config", "set", "runnner", "local").code == 2
    assert call("config", "set", "runner", "lokal").code == 2
    assert file.read_bytes() == os.fsencode(text)


def test_settings_that_are_set_at_once_are_all_kept(file: Path) -> None:
    names = ("store", "egress", "runner", "color")
    before, children = time.monotonic(), []
    for name in names * 5:
        if (child := os.fork()) == 0:
            try:
                time.sleep(max(0, before + 0.1 - time.monotonic()))
                value = "auto" if SETTINGS[name].choices else "/a"
                cli(["config", "set", name, value], standalone_mode=False)
            finally:
                os._exit(sys.exc_info()[0] is not None)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    assert sorted(parse_config(file.read_bytes(), file)) == sorted(names)


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "home"}])
def test_without_a_home_the_file_is_in_that_of_the_password_database(environ) -> None:
    assert config_file(environ) == Path(pwd.getpwuid(os.getuid()).pw_dir, ".config/pfs/config.toml")


def test_nothing_is_done_before_the_settings_are_understood(
    store: Path, pfs, call, file: Path, monkeypatch
) -> None:
    pfs("create-repo", "data")
    monkeypatch.setenv("PFS_RUNNER", "local")
    file.write_text("egress = 1")
    result = call("put-file", "data", "master", "x", "-c", stdin=b"1")
    assert (result.code, "egress is not text" in result.stderr) == (2, True)
    assert pfs("list-branch", "data", "--json").json_lines == []


AS_NOBODY = """
import os
from pfslib.kv.preferences import find_setting
if os.geteuid() == 0:  # root may read everything
    os.seteuid(65534)
print(find_setting("runner", os.environ).origin)
"""


def test_a_file_of_somebody_else_is_none(file: Path) -> None:
    file.write_text("nonsense")
    file.chmod(0)
    asked = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, check=True)
    assert asked.stdout == b"default\n"


def test_the_page_shows_each_setting() -> None:
    block = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    assert list(parse_config(block[1].encode(), Path("page"))) == list(SETTINGS)
    for setting in SETTINGS.values():
        assert setting.variable in block[1]
        assert find_setting(setting.name, {"HOME": "/dev/null"}).value == setting.default
