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
        "status": Place(
            "glancing", "Show the store, its repos, what is being done, and mounts, at a glance."
        ),
        "delete-all": Place("stores", "Delete every repo, pipeline, job and image of the store."),
        "stats": Place("upkeep", "Show what the store holds, in figures."),
        "fsck": Place("upkeep", "Check the whole store, and say what is wrong."),
        "gc": Place("upkeep", "Give back the room of what nothing needs any more."),
        "backup": Place("upkeep", "Copy the whole store, as it is at one moment."),
        "recover": Place("upkeep", "Go on with a store after an I/O error or a loss."),
        "completion": Place("completion", "Print a script that completes pfs in a shell."),
        "version": Place("stores", "Print the versions of pfs and of the store format."),
        "help": Place("helping", "Explain a command, or list all."),
    },
    "Settings": {
        "config-list": Place("configuring", "List the settings, and what they are."),
        "config-get": Place("configuring", "Print what a setting is."),
        "config-set": Place("configuring", "Set something for good, in the user's file."),
        "config-unset": Place("configuring", "Take a setting out of the user's file."),
    },
    "Repos": {
        "create-repo": Place("repos", "Make an empty repo."),
        "list-repo": Place("repos", "List all repos."),
        "inspect-repo": Place("repos", "Show one repo."),
        "delete-repo": Place("repos", "Delete a repo with all its commits."),
    },
    "Branches and tags": {
        "create-branch": Place("heads", "Make a branch that begins at any commit."),
        "list-branch": Place("heads", "List the branches of a repo."),
        "inspect-branch": Place("heads", "Show one branch."),
        "move-branch": Place("heads", "Make another commit the head of a branch."),
        "delete-branch": Place("heads", "Delete a branch; its commits stay."),
        "create-tag": Place("heads", "Give a commit a name that never moves."),
        "list-tag": Place("heads", "List the tags of a repo."),
        "delete-tag": Place("heads", "Delete a tag; its commit stays."),
        "list-reflog": Place("heads", "List how all branches were made, moved and deleted."),
    },
    "Commits": {
        "start-commit": Place("commits", "Start a commit and print its id."),
        "finish-commit": Place("commits", "Publish an open commit; run the jobs that follow."),
        "delete-commit": Place("commits", "Discard an open commit."),
        "list-commit": Place("commits", "List the commits of a repo, or of one branch."),
        "log": Place("past", "Tell what was committed, newest first."),
        "inspect-commit": Place("commits", "Show one commit."),
        "wait-commit": Place("lineage", "Wait until a commit is finished, and print its id."),
        "flush-commit": Place("lineage", "Wait until all that follows from a commit is over."),
        "find-commit": Place("lineage", "List the commits that changed a file or directory."),
        "list-provenance": Place("lineage", "List the commits that a commit was made from."),
        "list-subvenance": Place("lineage", "List the commits that were made from a commit."),
        "drop-commit": Place("pruning", "Remove the newest commit of a branch, with its content."),
        "squash-commit": Place("pruning", "Remove a commit; what it put stays in its children."),
    },
    "Files": {
        "put-file": Place("edits", "Write files into a commit."),
        "copy-file": Place("edits", "Take a file or directory over from another commit."),
        "delete-file": Place("edits", "Remove files and directories in a commit."),
        "get-file": Place("getting", "Print a file."),
        "export": Place("getting", "Write a directory of a commit into one of this machine."),
        "list-file": Place("files", "List what is in a directory."),
        "inspect-file": Place("files", "Show one file or directory."),
        "glob-file": Place("files", "List the files and directories that a pattern matches."),
        "diff-file": Place("comparing", "List what differs between two commits."),
    },
    "Pipelines": {
        "create-pipeline": Place("pipelines", "Create the pipelines of a JSON spec."),
        "update-pipeline": Place("work_changes", "Give pipelines a new spec."),
        "list-pipeline": Place("pipelines", "List all pipelines."),
        "inspect-pipeline": Place("pipelines", "Show one pipeline."),
        "stop-pipeline": Place(
            "work_changes", "Begin no more jobs of a pipeline; they are queued."
        ),
        "start-pipeline": Place("work_changes", "Let the jobs of a stopped pipeline run."),
        "rerun-pipeline": Place("work_changes", "Process the heads of a pipeline's inputs again."),
        "tick-pipeline": Place("work_changes", "Make the clocks of a pipeline tick now."),
        "schema-pipeline": Place("pipelines", "Print the form of a pipeline spec as JSON Schema."),
        "delete-pipeline": Place("pipelines", "Delete a pipeline with its jobs and its output."),
    },
    "Jobs": {
        "run": Place("jobs", "Run the jobs that wait, until none is left."),
        "list-job": Place("jobs", "List jobs, newest first."),
        "inspect-job": Place("jobs", "Show one job."),
        "list-datum": Place(
            "datum_commands", "List the datums of a job, or those that a spec would have."
        ),
        "explain-job": Place(
            "datum_commands", "Say for each datum of a job why it ran, or was skipped."
        ),
        "explain-file": Place(
            "datum_commands",
            "Say which datums made a file of an output, in which jobs, and from what.",
        ),
        "rerun-job": Place("work_changes", "Run a job again."),
        "cancel-job": Place("work_changes", "End a job before its time."),
        "delete-job": Place("work_changes", "Forget a job that is over; its output stays."),
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
        "commit": Place("working_copies", "Commit what was changed in a working copy."),
        "list-mount": Place("mounts", "List the mounts, and the working copies."),
    },
    "Exchange": {
        "import-archive": Place("exchange", "Put what is in a tar or zip file."),
        "export-archive": Place("exchange", "Write a directory of a commit as a tar or zip file."),
        "import-git": Place("exchange", "Make each commit of a git history one of a repo."),
        "export-git": Place("exchange", "Make each commit of a branch one of a git repository."),
        "split-file": Place(
            "exchange", "Put the lines, CSV rows or JSON documents of a stream as many files."
        ),
        "draw": Place("exchange", "Draw the graph of repos and pipelines."),
    },
}

COMMANDS: Final = {name: place for section in SECTIONS.values() for name, place in section.items()}

ALIASES: Final = {
    "diff": "diff-file",
    "find-file": "find-commit",
    "flush-job": "flush-commit",
    "wait-job": "flush-commit",
    "run-pipeline": "rerun-pipeline",
}
"""Other names, which no list shows."""
