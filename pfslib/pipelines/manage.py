"""Create, change and delete pipelines, with their output repos, jobs and images."""

from __future__ import annotations

import secrets
import time

import msgspec

from pfslib.commits.reflog import log_end
from pfslib.commits.repos import (
    create_repo,
    delete_repo,
    find_repo,
    get_repo,
    list_repos,
    plan_delete_repo,
    put_repo,
)
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, name_key
from pfslib.model.errors import AlreadyExistsError, InvalidSpecError, StillNeededError
from pfslib.model.history import Repo
from pfslib.model.removal import Removal
from pfslib.model.work import Pipeline
from pfslib.pipelines.branch_triggers import forget_other_triggers, forget_triggers
from pfslib.pipelines.job_requests import cancel_job
from pfslib.pipelines.ledger import (
    delete_image,
    delete_job,
    delete_old_versions,
    find_pipeline,
    get_pipeline,
    list_images,
    list_jobs,
    list_pipelines,
    put_old_version,
    put_pipeline,
    queued_jobs,
)
from pfslib.pipelines.trigger import create_jobs_of_pipeline


def create_pipeline(txn: WriteTxn, pipeline: Pipeline) -> Pipeline:
    """Create a pipeline with its output repo, and the jobs for what its inputs hold already.

    Raises:
        AlreadyExistsError: The name is a pipeline's or a repo's.
        InvalidSpecError: An input names a repo that does not exist, or a clock one that does.
    """
    if find_pipeline(txn, pipeline.name) is not None:
        raise AlreadyExistsError(
            f"pipeline {pipeline.name} already exists",
            hint=f"`pfs update-pipeline` changes it, `pfs delete-pipeline {pipeline.name}` "
            "removes it",
        )
    if find_repo(txn, pipeline.name) is not None:
        raise AlreadyExistsError(
            f"repo {pipeline.name} exists, and the pipeline's output would go there",
            hint=f"name the pipeline otherwise, or `pfs delete-repo {pipeline.name}`",
        )
    now_ns = time.time_ns()
    pipeline = msgspec.structs.replace(pipeline, created_ns=now_ns, since=log_end(txn))
    _prepare_inputs(txn, pipeline)
    create_repo(
        txn,
        pipeline.name,
        now_ns=now_ns,
        description=f"output of pipeline {pipeline.name}",
        pipeline=pipeline.name,
    )
    put_pipeline(txn, pipeline)
    create_jobs_of_pipeline(txn, pipeline, history=pipeline.every_commit)
    return pipeline


def update_pipeline(txn: WriteTxn, pipeline: Pipeline, *, reprocess: bool | None) -> Pipeline:
    """Give a pipeline a new spec; its jobs under way are ended, its heads processed again.

    Args:
        txn: The change to make it in.
        pipeline: The new spec.
        reprocess: True: every datum runs again. False: those that have a result of an older version
            keep it, whatever has changed in the transform. None: those run again whose transform or
            inputs have changed.

    Raises:
        PipelineNotFoundError: There is none of that name.
        InvalidSpecError: An input does not exist, or is made from the output; or the repo of a new
            clock exists.
    """
    old = get_pipeline(txn, pipeline.name)
    salt = pipeline.salt or old.salt
    pipeline = msgspec.structs.replace(
        pipeline,
        version=old.version + 1,
        created_ns=old.created_ns,
        since=log_end(txn),
        stopped=old.stopped,
        salt=secrets.token_hex(8) if reprocess else salt,
        keeps_results=reprocess is False,
    )
    _prepare_inputs(txn, pipeline, old)
    put_pipeline(txn, pipeline)
    put_old_version(txn, old)
    forget_other_triggers(txn, old, pipeline)
    for job in [job for job in queued_jobs(txn) if job.pipeline == pipeline.name]:
        cancel_job(txn, job, "the pipeline was updated")
    create_jobs_of_pipeline(txn, pipeline, history=False)
    return pipeline


def _prepare_inputs(txn: WriteTxn, pipeline: Pipeline, old: Pipeline | None = None) -> None:
    """Make sure that the inputs are there; those that are clocks get their repos."""
    _check_clocks(pipeline)
    clocks = {item.repo for item in old.inputs if item.cron is not None} if old else set()
    for item in pipeline.inputs:
        repo = find_repo(txn, item.repo)
        if item.cron is None and repo is None:
            raise InvalidSpecError(
                f"the input repo {item.repo} does not exist",
                field="input",
                hint=f"`pfs create-repo {item.repo}` makes it",
            )
        if item.cron is not None and item.repo not in clocks:
            _prepare_clock(txn, pipeline, repo, item.repo)
        if pipeline.name in _upstream(txn, item.repo):
            raise InvalidSpecError(
                f"the input repo {item.repo} is made from the output of {pipeline.name} itself",
                field="input",
            )


def _check_clocks(pipeline: Pipeline) -> None:
    """Make sure that no two clocks tick in one repo: each would take the other's for its own."""
    clocks: dict[str, str] = {}
    for item in pipeline.inputs:
        if item.cron is None:
            continue
        if item.repo in clocks:
            raise InvalidSpecError(
                f"the clocks {clocks[item.repo]} and {item.name} would both tick in the repo "
                f"{item.repo}",
                field="input.cron.repo",
                hint="give each a `name` of its own and leave `repo` out: each then has its own",
            )
        clocks[item.repo] = item.name


def _prepare_clock(txn: WriteTxn, pipeline: Pipeline, repo: Repo | None, name: str) -> None:
    """Make the repo of a clock, or take the one that an earlier pipeline of this name left."""
    ticks = f"ticks of pipeline {pipeline.name}"
    if repo is None:
        create_repo(txn, name, now_ns=time.time_ns(), description=ticks)
    elif repo.pipeline or repo.description != ticks:
        # A clock commits to its repo, and may delete what is in it.
        raise InvalidSpecError(
            f"the repo {name} exists, and was not made for a clock of pipeline {pipeline.name}",
            field="input.cron.repo",
            hint="leave `repo` out, or name one that does not exist",
        )


def _upstream(txn: ReadTxn, repo: str) -> set[str]:
    """All repos that a repo's pipeline reads, directly or not."""
    found: set[str] = set()
    todo = [repo]
    while todo:
        pipeline = find_pipeline(txn, todo.pop())
        for item in pipeline.inputs if pipeline is not None else ():
            if item.repo not in found:
                found.add(item.repo)
                todo.append(item.repo)
    return found


def stop_pipeline(txn: WriteTxn, name: str, *, stopped: bool = True) -> Pipeline:
    """Stop a pipeline: no job of it is begun any more; or start it again, to do what has waited.

    Raises:
        PipelineNotFoundError: There is none.
    """
    pipeline = msgspec.structs.replace(get_pipeline(txn, name), stopped=stopped)
    put_pipeline(txn, pipeline)
    return pipeline


def plan_delete_pipeline(txn: ReadTxn, name: str, *, keep_repo: bool = False) -> Removal:
    """What deleting a pipeline would take away.

    Raises:
        PipelineNotFoundError: There is none.
        StillNeededError: Something was made from its output.
    """
    get_pipeline(txn, name)
    jobs = sum(job.pipeline == name for job in list_jobs(txn))
    removal = Removal(pipelines=(name,), jobs=jobs)
    return removal if keep_repo else removal + plan_delete_repo(txn, name)


def delete_pipeline(txn: WriteTxn, name: str, *, keep_repo: bool = False) -> None:
    """Remove a pipeline with its jobs and, unless it is to be kept, its output repo.

    Raises:
        PipelineNotFoundError: There is none.
        StillNeededError: Something was made from its output.
    """
    get_pipeline(txn, name)
    if not keep_repo:
        _check_unread(txn, name)
    for job in [job for job in list_jobs(txn) if job.pipeline == name]:
        delete_job(txn, job)
    txn.delete(Table.PIPELINES, name_key(name))
    delete_old_versions(txn, name)
    forget_triggers(txn, name)
    if not keep_repo:
        delete_repo(txn, name)
        return
    repo = get_repo(txn, name)
    put_repo(txn, msgspec.structs.replace(repo, pipeline=""))


def _check_unread(txn: ReadTxn, repo: str) -> None:
    for pipeline in list_pipelines(txn):
        if any(item.repo == repo for item in pipeline.inputs):
            raise StillNeededError(
                f"cannot delete repo {repo}: it is the input of pipeline {pipeline.name}",
                hint=f"`pfs delete-pipeline {pipeline.name}` first, or keep the repo",
            )


def check_unused(txn: ReadTxn, repo: str) -> None:
    """Make sure that no pipeline reads or writes a repo.

    Raises:
        StillNeededError: One does.
    """
    _check_unread(txn, repo)
    if find_pipeline(txn, repo) is not None:
        raise StillNeededError(
            f"cannot delete repo {repo}: it is the output of pipeline {repo}",
            hint=f"`pfs delete-pipeline {repo}` removes both",
        )


def check_commit_unused(txn: ReadTxn, commit_id: str) -> None:
    """Make sure that no job still has to read a commit.

    Raises:
        StillNeededError: One does.
    """
    for job in queued_jobs(txn):
        if any(item.commit == commit_id for item in job.inputs):
            raise StillNeededError(
                f"cannot remove commit {commit_id}: job {job.id} of pipeline {job.pipeline} "
                "has still to read it",
                hint="run the job first, or delete it",
            )


def plan_delete_all(txn: ReadTxn) -> Removal:
    """What `delete_all` would take away."""
    removal = Removal(
        pipelines=tuple(pipeline.name for pipeline in list_pipelines(txn)),
        jobs=sum(1 for _ in list_jobs(txn)),
        images=tuple(image.name for image in list_images(txn)),
    )
    for repo in list_repos(txn):
        removal += plan_delete_repo(txn, repo.name, force=True)
    return removal


def delete_all(txn: WriteTxn) -> None:
    """Remove every pipeline, job, image and repo; the stored content becomes garbage."""
    for pipeline in list(list_pipelines(txn)):
        delete_pipeline(txn, pipeline.name, keep_repo=True)
    for repo in list(list_repos(txn)):
        delete_repo(txn, repo.name, force=True)
    for image in list(list_images(txn)):
        delete_image(txn, image.name)
