"""Small pipelines of shell lines, and commits for them: what tests of pipelines begin with."""

from __future__ import annotations

from typing import Any

from pfslib.api.store import Store


def shell_spec(name: str, repo: str, *lines: str, **more: Any) -> dict[str, object]:  # noqa: ANN401
    """A modern spec that runs shell lines, one datum a top-level entry.

    Args:
        name: The pipeline.
        repo: Its input.
        lines: Fed to ``sh -e``.
        more: ``glob``, fields of ``transform`` and ``pfs``, or top-level fields of the spec.
    """
    glob = more.pop("glob", "/*")
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": ["sh", "-e"], "stdin": list(lines), **more.pop("transform", {})},
        "input": {"pfs": {"repo": repo, "glob": glob, **more.pop("pfs", {})}},
        "datum_tries": 1,
        **more,
    }


def commit_files(
    store: Store, repo: str, files: dict[str, str | None], branch: str = "master"
) -> str:
    """Commit some files, None to delete one; the commit's id."""
    with store.repo(repo).commit(branch) as made:
        for path, text in files.items():
            if text is None:
                made.delete_file(path)
            else:
                made.put_file(path, text)
    assert made.commit is not None
    return made.commit.id
