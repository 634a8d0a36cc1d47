"""The tree of files stays as it is meant: named, listed, small, and without the fuse trap."""

from __future__ import annotations

import configparser
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import pfslib

ROOT = Path(__file__).parents[2]
PACKAGES = {"pfslib": ROOT / "pfslib", "pfsfuse": ROOT / "fuse/pfsfuse"}
LINES_MAX = 400
ONE_PAGE = {"errors"}  # the tree of all errors is to be read as a whole
SHOWN_BY_ITS_NAME = {"names", "repos", "tables"}  # modules of pfslib.cli, and what they show
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "core", "base"}
HEAVY = {
    *("lmdb", "docker", "fuse", "rich", "click", "pyfastcdc", "zstandard", "blake3", "msgspec"),
    *("fsspec", "upath", "dask", "numpy", "pandas", "IPython", "tarfile", "zipfile"),
}

MODULES = sorted(
    path
    for top in PACKAGES.values()
    for path in top.rglob("*.py")
    if "__pycache__" not in path.parts
)


def run_python(code: str, *, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_there_is_something_to_look_at():
    assert len(MODULES) > 80


# --- fuse ------------------------------------------------------------------------------------


def test_the_module_fuse_is_not_the_folder():
    """Also for a Python started in the root of the repository, which looks there first."""
    where, has = run_python("import fuse; print(fuse.__file__, hasattr(fuse, 'FUSE'))").split()
    assert not Path(where).is_relative_to(ROOT / "fuse")
    assert has == "True"


def test_nothing_makes_a_package_of_the_folder_fuse():
    assert not (ROOT / "fuse/__init__.py").exists()
    assert not (ROOT / "tests/fuse").exists()


# --- packages and modules --------------------------------------------------------------------


def test_every_package_is_listed_for_installation():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    found = {
        ".".join((name, *path.parent.relative_to(top).parts))
        for name, top in PACKAGES.items()
        for path in top.rglob("__init__.py")
    }
    assert Counter(listed) == Counter(found)


def test_every_folder_with_modules_is_a_package():
    for path in MODULES:
        assert (path.parent / "__init__.py").is_file(), path.parent


def test_what_is_typed_says_so():
    for top in PACKAGES.values():
        assert (top / "py.typed").is_file()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= LINES_MAX or path.stem in ONE_PAGE
    assert text.lstrip("r").startswith('"""')
    assert not {path.stem, path.parent.name} & SAYS_NOTHING


def test_no_two_modules_have_one_name():
    names = Counter(path.stem for path in MODULES if path.stem not in {"__init__", "__main__"})
    twice = {name for name, count in names.items() if count > 1}
    assert twice <= SHOWN_BY_ITS_NAME


def test_tests_have_names_of_their_own():
    """They are imported by name, without packages around them."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.stem != "conftest"]
    assert [name for name, count in Counter(p.name for p in tests).items() if count > 1] == []
    assert not list((ROOT / "tests").rglob("__init__.py"))


# --- the public face -------------------------------------------------------------------------


def test_every_public_name_can_be_had():
    assert sorted(set(pfslib.__all__)) == sorted(pfslib.__all__)
    for name in pfslib.__all__:
        assert getattr(pfslib, name) is not None
    assert set(pfslib.__all__) == {*pfslib._HOME, "__version__"}
    assert set(pfslib.__all__) <= set(dir(pfslib))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pfslib.nothing


def test_every_public_name_is_known_to_type_checkers():
    text = (ROOT / "pfslib/__init__.py").read_text("utf-8")
    block = text.split("if TYPE_CHECKING:")[1].split("_HOME = {")[0]
    for name, home in pfslib._HOME.items():
        assert f"from {home} import" in block
        assert any(word.strip("(),") == name for word in block.split()), name


def test_every_error_is_public():
    from pfslib.model import errors

    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.PfsError)
    }
    assert defined <= set(pfslib.__all__)


def test_importing_the_library_loads_nothing_heavy():
    code = "import sys; before = set(sys.modules); import pfslib; print(*set(sys.modules) - before)"
    loaded = run_python(code).split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert len(loaded) < 15


def test_opening_a_store_loads_no_runner_and_no_command_line(tmp_path):
    code = (
        "import sys, pfslib\n"
        f"store = pfslib.init({str(tmp_path / 'store')!r})\n"
        "commit = store.create_repo('repo').start_commit()\n"
        "commit.put_file('/f', b'small')\n"
        "commit.finish().get_file('/f')\n"
        "print(*sys.modules)"
    )
    loaded = {name.split(".")[0] for name in run_python(code).split()}
    unused = {"lmdb", "zstandard", "blake3", "msgspec"}
    assert not ((HEAVY - unused) | {"requests"}) & loaded


def test_importing_the_library_is_light():
    """By what `-X importtime` says of it, the best of a few: at most 100 ms over bare Python."""

    def milliseconds() -> float:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import pfslib"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        rows = [row.split("|") for row in done.stderr.splitlines()]
        (whole,) = [int(row[1]) for row in rows if row[-1].strip() == "pfslib"]
        return whole / 1000

    assert min(milliseconds() for _ in range(3)) <= 100
