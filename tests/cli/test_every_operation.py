"""For every Python operation a verb, and for every verb an operation: nothing is half there."""

from __future__ import annotations

import inspect

import click

import pfslib
from pfslib.cli.commands import ALIASES, COMMANDS
from pfslib.cli.main import cli

HANDLES = {"pfslib", "Store", "Repo", "Commit", "OpenCommit", "WorkingCopy"}

VERB_OF = {
    "pfslib.init": "init",
    "pfslib.recover": "recover",
    "Store.backup": "backup",
    "Store.cancel_job": "cancel-job",
    "Store.create_image": "create-image",
    "Store.create_pipeline": "create-pipeline",
    "Store.create_repo": "create-repo",
    "Store.delete_all": "delete-all",
    "Store.delete_commit": "delete-commit",
    "Store.delete_file": "delete-file",
    "Store.delete_image": "delete-image",
    "Store.delete_job": "delete-job",
    "Store.delete_pipeline": "delete-pipeline",
    "Store.delete_repo": "delete-repo",
    "Store.draw": "draw",
    "Store.explain_file": "explain-file",
    "Store.finish_commit": "finish-commit",
    "Store.flush": "flush-commit",
    "Store.fsck": "fsck",
    "Store.gc": "gc",
    "Store.get_file": "get-file",
    "Store.get_logs": "get-logs",
    "Store.history": "log",
    "Store.inspect_commit": "inspect-commit",
    "Store.inspect_file": "inspect-file",
    "Store.inspect_job": "inspect-job",
    "Store.inspect_pipeline": "inspect-pipeline",
    "Store.inspect_repo": "inspect-repo",
    "Store.list_commit": "list-commit",
    "Store.list_datum": "list-datum, explain-job",
    "Store.list_datum_of": "list-datum",
    "Store.list_file": "list-file",
    "Store.list_image": "list-image",
    "Store.list_job": "list-job",
    "Store.list_pipeline": "list-pipeline",
    "Store.list_repo": "list-repo",
    "Store.mount": "mount",
    "Store.put_file": "put-file",
    "Store.reflog": "list-reflog",
    "Store.rerun_job": "rerun-job",
    "Store.rerun_pipeline": "rerun-pipeline",
    "Store.run": "run",
    "Store.run_cron": "tick-pipeline",
    "Store.start_commit": "start-commit",
    "Store.start_pipeline": "start-pipeline",
    "Store.stats": "stats",
    "Store.status": "status",
    "Store.stop_pipeline": "stop-pipeline",
    "Store.update_pipeline": "update-pipeline",
    "Store.wait": "wait-commit",
    "Store.watch": "run",
    "Repo.create_branch": "create-branch",
    "Repo.create_tag": "create-tag",
    "Repo.delete_branch": "delete-branch",
    "Repo.delete_tag": "delete-tag",
    "Repo.drop_commit": "drop-commit",
    "Repo.inspect": "inspect-repo",
    "Repo.list_branch": "list-branch, inspect-branch",
    "Repo.list_commit": "list-commit",
    "Repo.list_open": "list-commit",
    "Repo.list_tag": "list-tag",
    "Repo.move_branch": "move-branch",
    "Repo.put_file": "put-file",
    "Repo.squash_commit": "squash-commit",
    "Repo.start_commit": "start-commit",
    "Repo.working_copy": "mount",
    "Commit.diff": "diff-file",
    "Commit.export": "export",
    "Commit.find_commit": "find-commit, log",
    "Commit.get_file": "get-file",
    "Commit.get_file_to": "get-file",
    "Commit.glob": "glob-file",
    "Commit.history": "log",
    "Commit.inspect_file": "inspect-file",
    "Commit.list_file": "list-file",
    "Commit.mount": "mount",
    "Commit.provenance": "list-provenance",
    "Commit.stream_file": "get-file",
    "Commit.subvenance": "list-subvenance",
    "Commit.text_diff": "diff-file",
    "Commit.walk": "list-file",
    "OpenCommit.copy_file": "copy-file",
    "OpenCommit.delete_file": "delete-file",
    "OpenCommit.delete_glob": "delete-file",
    "OpenCommit.discard": "delete-commit",
    "OpenCommit.finish": "finish-commit",
    "OpenCommit.put_file": "put-file",
    "OpenCommit.write_at": "put-file",
    "WorkingCopy.commit": "commit",
    "WorkingCopy.discard": "unmount",
    "WorkingCopy.unmount": "unmount",
}

NO_VERB = {
    # the way to a handle, or away from it
    *("pfslib.open", "pfslib.open_catalog", "pfslib.open_trees", "Store.close", "Store.repo"),
    *("Store.commit", "Store.open_commit", "Repo.commit", "WorkingCopy.make"),
    # of Python alone: functions as transforms, files as objects, fsspec's URLs
    *("Store.pipeline", "Commit.open", "OpenCommit.open", "Commit.url", "OpenCommit.url"),
    # in what inspect-commit prints
    *("Commit.parent", "OpenCommit.parent"),
    # for mount servers
    *("Store.pin", "Store.tree", "Commit.check_there", "OpenCommit.put_entry"),
}

ONLY_IN_THE_SHELL = {
    *("completion", "help", "version", "config-list", "config-get", "config-set", "config-unset"),
    *("list-mount", "schema-pipeline"),
    # functions of pfslib.interop
    *("import-archive", "export-archive", "import-git", "export-git", "split-file"),
}

OF_PACHYDERM_1_3 = {
    *("create-repo", "inspect-repo", "list-repo", "delete-repo"),
    *("start-commit", "finish-commit", "inspect-commit", "list-commit", "delete-commit"),
    "flush-commit",
    *("list-branch", "put-file", "get-file", "inspect-file", "list-file", "delete-file"),
    *("mount", "unmount", "inspect-job", "list-job", "get-logs", "run-pipeline"),
    *("create-pipeline", "update-pipeline", "inspect-pipeline", "list-pipeline"),
    *("delete-pipeline", "start-pipeline", "stop-pipeline", "delete-all", "version"),
}


def operations() -> set[str]:
    """The public functions of the library, and the public methods of its handles."""
    found = {
        f"pfslib.{name}" for name in pfslib.__all__ if inspect.isfunction(getattr(pfslib, name))
    }
    for handle in HANDLES - {"pfslib"}:
        for name, _ in inspect.getmembers(getattr(pfslib, handle), callable):
            if not name.startswith("_"):
                found.add(f"{handle}.{name}")
    return found


def test_every_operation_has_a_verb() -> None:
    # What an open commit has in common with a finished one is read by the same verbs.
    shared = {name for name in operations() if name.replace("Open", "", 1) in VERB_OF}
    assert operations() - shared - NO_VERB == VERB_OF.keys() - shared
    assert operations() >= NO_VERB
    assert NO_VERB & VERB_OF.keys() == set()


def test_every_verb_is_of_an_operation() -> None:
    verbs = {verb for verbs in VERB_OF.values() for verb in verbs.split(", ")}
    assert verbs | ONLY_IN_THE_SHELL == {*COMMANDS}
    assert verbs & ONLY_IN_THE_SHELL == set()


def test_the_verbs_of_pachyderm_1_3_are_there() -> None:
    assert {*COMMANDS, *ALIASES} >= OF_PACHYDERM_1_3


def test_all_that_destroys_can_be_tried_dry() -> None:
    destroying = {name for name in COMMANDS if name.split("-")[0] in {"delete", "drop", "squash"}}
    for name in {*destroying, "gc"}:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert "--dry-run" in {word for option in command.params for word in option.opts}, name
