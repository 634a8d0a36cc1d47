"""What every test may ask for: a store, a repo, and hypothesis without a clock."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import pfslib

os.environ["XDG_CONFIG_HOME"] = os.devnull  # nobody's own settings

# A shell that starts something in the background has it ignore Ctrl-C, and its children as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "pfslib",
    deadline=None,  # a shared machine is now and then slow
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
settings.load_profile("pfslib")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """When a thread that never ends keeps the process from ending, say which, and end it."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, where the machine has everything, a mount or container test that is skipped failed."""
    report = yield
    needs = [name for name in ("mount", "docker", "sandbox") if item.get_closest_marker(name)]
    if os.environ.get("CI") == "true" and needs and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, though it needs {' and '.join(needs)}: {report.longrepr}"
    return report


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pfslib.Store]:
    """An empty store."""
    with pfslib.init(tmp_path / "store") as store:
        yield store


@pytest.fixture
def repo(store: pfslib.Store) -> pfslib.Repo:
    """An empty repo in the store."""
    return store.create_repo("repo")
