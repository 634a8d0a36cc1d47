"""fsspec's own tests of file systems, all of them."""

from __future__ import annotations

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)


class Fixtures(AbstractFixtures):
    @pytest.fixture
    def fs(self, fs):
        """That of conftest, instead of the suite's own."""
        return fs

    @pytest.fixture(params=["a branch", "an open commit", "a transaction"])
    def fs_path(self, request, fs, store):
        """Where the tests write; each way that writing can go."""
        if request.param == "an open commit":
            yield f"scratch@{store.start_commit('scratch').id}"
        elif request.param == "a transaction":
            with fs.transaction:
                yield "scratch@master"
        else:
            yield "scratch@master"

    @pytest.fixture
    def supports_empty_directories(self):
        return False


class TestCopy(AbstractCopyTests, Fixtures):
    pass


class TestGet(AbstractGetTests, Fixtures):
    pass


class TestPut(AbstractPutTests, Fixtures):
    pass


class TestPipe(AbstractPipeTests, Fixtures):
    pass


class TestOpen(AbstractOpenTests, Fixtures):
    pass
