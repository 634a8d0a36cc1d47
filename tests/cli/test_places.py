"""Both grammars mean the same place; whatever a listing prints is taken back."""

from __future__ import annotations

import click
import pytest

from pfslib.cli.places import COMMIT, PATH, REPO, check_commit, parse_place
from pfslib.model.errors import InvalidReferenceError

HEX = "9c8c1ad2667d44d586818306ec19f1ec"


@pytest.mark.parametrize(
    ("words", "repo", "commit", "path"),
    [
        (["projects", "master", "/a"], "projects", "master", "/a"),
        (["projects@master", "/a"], "projects", "master", "/a"),
        (["projects@master:/a"], "projects", "master", "/a"),
        (["projects@master:a:b@c"], "projects", "master", "a:b@c"),
        (["projects@master^2:/a"], "projects", "master^2", "/a"),
        (["projects/master/0:/a"], "projects", "master/0", "/a"),
        ([f"stats/{HEX}/0", "/a"], "stats", f"{HEX}/0", "/a"),
        (["projects", "projects/master/0", "/a"], "projects", "master/0", "/a"),
        (["projects", "projects/master", "/a"], "projects", "master", "/a"),
        (["master", "master/0", "/a"], "master", "master/0", "/a"),
        (["master", "master/master/0", "/a"], "master", "master/0", "/a"),
        (["projects", "master", ""], "projects", "master", ""),
        (["projects", "master", "caf\udce9"], "projects", "master", "caf\udce9"),
    ],
)
def test_a_place_is_found(words: list[str], repo: str, commit: str, path: str) -> None:
    place = parse_place(words, REPO, COMMIT, PATH)
    assert (place.repo, place.commit, place.path) == (repo, commit, path)
    assert place.joined == (words[0] != repo)


@pytest.mark.parametrize(
    ("words", "missing"),
    [([], "REPO"), (["projects"], "COMMIT"), (["projects", "master"], "PATH")],
)
def test_a_missing_word_is_named(words: list[str], missing: str) -> None:
    with pytest.raises(click.UsageError, match=f"the {missing} is missing"):
        parse_place(words, REPO, COMMIT, PATH)


def test_a_word_too_many_is_named() -> None:
    with pytest.raises(click.UsageError, match="'/b' is one word too many"):
        parse_place(["projects@master:/a", "/b"], REPO, COMMIT, PATH)


def test_what_is_optional_may_be_missing() -> None:
    assert parse_place(["projects@master"], REPO, COMMIT, PATH, optional=1).path == ""
    with pytest.raises(click.UsageError):
        parse_place(["projects"], REPO, COMMIT, PATH, optional=1)


@pytest.mark.parametrize("word", ["@master", "projects@", "projects:/a", ":/a", "/a", "repo/"])
def test_half_a_reference_is_refused(word: str) -> None:
    with pytest.raises(InvalidReferenceError):
        parse_place([word, "x", "y"], REPO, COMMIT, PATH)


@pytest.mark.parametrize("commit", ["other@master", "master:/a", "caf\udce9"])
def test_a_commit_is_no_reference(commit: str) -> None:
    with pytest.raises(InvalidReferenceError):
        parse_place(["projects", commit, "/a"], REPO, COMMIT, PATH)


def test_only_the_repo_s_own_name_is_taken_off() -> None:
    assert check_commit("projects", "stats/master/0") == "stats/master/0"
    assert check_commit("projects", "projects2/0") == "projects2/0"
