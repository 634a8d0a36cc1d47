"""The table of commands: what `pfs --help` lists, and where each one lives.

The sentences stand here so that the help needs no import of the commands; they are the first
lines of the commands' own help.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Place(NamedTuple):
    """Where a command lives, and what it is for."""

    module: str
    """In this package; the command `put-file` is its `put_file`."""

    summary: str


SECTIONS: Final[dict[str, dict[str, Place]]] = {
    "Store": {
        "init": Place("stores", "Make a new, empty store."),
        "delete-all": Place("stores", "Delete every repo, pipeline, job and image of the store."),
        "version": Place("stores", "Print the versions of pfs and of the store format."),
    },
    "Repos": {
        "create-repo": Place("repos", "Make an empty repo."),
        "list-repo": Place("repos", "List all repos."),
        "inspect-repo": Place("repos", "Show one repo."),
        "delete-repo": Place("repos", "Delete a repo with all its commits."),
        "list-branch": Place("repos", "List the branches of a repo."),
    },
    "Commits": {
        "start-commit": Place("commits", "Start a commit and print its id."),
        "finish-commit": Place("commits", "Publish an open commit; run the jobs that follow."),
        "delete-commit": Place("commits", "Discard an open commit."),
        "list-commit": Place("commits", "List the commits of a repo, or of one branch."),
        "inspect-commit": Place("commits", "Show one commit."),
    },
    "Files": {
        "put-file": Place("edits", "Write files into a commit."),
        "delete-file": Place("edits", "Remove a file or directory in a commit."),
        "get-file": Place("files", "Print a file."),
        "list-file": Place("files", "List what is in a directory."),
        "inspect-file": Place("files", "Show one file or directory."),
        "glob-file": Place("files", "List the files and directories that a pattern matches."),
    },
    "Pipelines": {
        "create-pipeline": Place("pipelines", "Create the pipelines of a JSON spec."),
        "list-pipeline": Place("pipelines", "List all pipelines."),
        "inspect-pipeline": Place("pipelines", "Show one pipeline."),
        "delete-pipeline": Place("pipelines", "Delete a pipeline with its jobs and its output."),
    },
    "Jobs": {
        "run": Place("jobs", "Run the jobs that wait, until none is left."),
        "list-job": Place("jobs", "List jobs, newest first."),
        "inspect-job": Place("jobs", "Show one job."),
        "get-logs": Place("jobs", "Print what the commands of a job printed."),
    },
    "Images": {
        "create-image": Place("images", "Make a local image of a directory."),
        "list-image": Place("images", "List the local images."),
        "delete-image": Place("images", "Delete a local image."),
    },
    "Mounts": {
        "mount": Place("mounts", "Show a commit as a directory."),
        "unmount": Place("mounts", "Take a mounted commit away."),
        "list-mount": Place("mounts", "List the mounts."),
    },
}

COMMANDS: Final = {name: place for section in SECTIONS.values() for name, place in section.items()}
