"""Pipelines, jobs, datum results, logs and images, kept in tables."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, id_key, name_key, name_prefix, next_number, number_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import (
    ImageNotFoundError,
    InvalidReferenceError,
    JobNotFoundError,
    PipelineNotFoundError,
)
from pfslib.model.work import DatumRecord, DatumResult, Image, Job, JobState, Pipeline

# --- pipelines -------------------------------------------------------------------------------


def put_pipeline(txn: WriteTxn, pipeline: Pipeline) -> None:
    """Store a pipeline under its name."""
    txn.put(Table.PIPELINES, name_key(pipeline.name), pack(pipeline))


def find_pipeline(txn: ReadTxn, name: str) -> Pipeline | None:
    """A pipeline by name; None when there is none."""
    value = txn.get(Table.PIPELINES, name_key(name))
    return unpack(Pipeline, value) if value is not None else None


def get_pipeline(txn: ReadTxn, name: str) -> Pipeline:
    """A pipeline by name.

    Raises:
        PipelineNotFoundError: There is none.
    """
    pipeline = find_pipeline(txn, name)
    if pipeline is None:
        raise PipelineNotFoundError(name, [known.name for known in list_pipelines(txn)])
    return pipeline


def list_pipelines(txn: ReadTxn) -> Iterator[Pipeline]:
    """All pipelines, by name."""
    for _, value in txn.scan(Table.PIPELINES):
        yield unpack(Pipeline, value)


def put_old_version(txn: WriteTxn, pipeline: Pipeline) -> None:
    """Keep a version of a pipeline that is not in force any more."""
    key = name_prefix(pipeline.name) + number_key(pipeline.version)
    txn.put(Table.OLD_PIPELINES, key, pack(pipeline))


def old_versions(txn: ReadTxn, name: str) -> Iterator[Pipeline]:
    """The versions of a pipeline before the one in force, newest first."""
    for _, value in txn.scan(Table.OLD_PIPELINES, prefix=name_prefix(name), reverse=True):
        yield unpack(Pipeline, value)


def delete_old_versions(txn: WriteTxn, name: str) -> None:
    """Forget the versions of a pipeline before the one in force."""
    for key, _ in list(txn.scan(Table.OLD_PIPELINES, prefix=name_prefix(name))):
        txn.delete(Table.OLD_PIPELINES, key)


# --- jobs ------------------------------------------------------------------------------------


def add_job(txn: WriteTxn, job: Job) -> Job:
    """Add a job, which must not exist yet, to the order and the queue."""
    job = msgspec.structs.replace(job, number=next_number(txn, "jobs"))
    put_job(txn, job)
    key = number_key(job.number)
    txn.put(Table.JOB_ORDER, key, id_key(job.id))
    txn.put(Table.QUEUE, key, id_key(job.id))
    return job


def put_job(txn: WriteTxn, job: Job) -> None:
    """Store the state of a job; a finished one leaves the queue."""
    txn.put(Table.JOBS, id_key(job.id), pack(job))
    if JobState(job.state).finished:
        txn.delete(Table.QUEUE, number_key(job.number))


def find_job(txn: ReadTxn, job_id: str) -> Job | None:
    """A job by its full id; None when there is none."""
    value = txn.get(Table.JOBS, id_key(job_id))
    return unpack(Job, value) if value is not None else None


def get_job(txn: ReadTxn, text: str) -> Job:
    """A job by its id, or the unique beginning of it.

    Raises:
        JobNotFoundError: There is none.
        InvalidReferenceError: Several ids begin so.
    """
    even = text[: len(text) // 2 * 2]
    try:
        prefix = bytes.fromhex(even)
    except ValueError:
        raise JobNotFoundError(text) from None
    found = [
        unpack(Job, value)
        for key, value in txn.scan(Table.JOBS, prefix=prefix)
        if key.hex().startswith(text)
    ]
    if not found or not text:
        raise JobNotFoundError(text)
    if len(found) > 1:
        raise InvalidReferenceError(text, "several job ids begin so; add digits")
    return found[0]


def list_jobs(txn: ReadTxn, *, before: int | None = None) -> Iterator[Job]:
    """Jobs, newest first; those created before a number when one is given."""
    if before == 0:
        return
    start = number_key(before - 1) if before is not None else b""
    for _, job_id in txn.scan(Table.JOB_ORDER, start=start, reverse=True):
        job = find_job(txn, job_id.hex())
        if job is not None:
            yield job


def newest_job(txn: ReadTxn, pipeline: str, output_branch: str) -> Job | None:
    """The last job made of a pipeline and an output branch; None when there is none.

    Cost: linear in the jobs made since.
    """
    for job in list_jobs(txn):
        if (job.pipeline, job.output_branch) == (pipeline, output_branch):
            return job
    return None


def queued_jobs(txn: ReadTxn) -> Iterator[Job]:
    """Jobs that are not finished, oldest first."""
    for _, job_id in txn.scan(Table.QUEUE):
        job = find_job(txn, job_id.hex())
        if job is not None:
            yield job


def delete_job(txn: WriteTxn, job: Job) -> None:
    """Remove a job's records and logs; its output commit stays."""
    key = id_key(job.id)
    for table in (Table.JOB_DATUMS, Table.LOGS):
        for row, _ in list(txn.scan(table, prefix=key)):
            txn.delete(table, row)
    txn.delete(Table.WORKS, id_key(job.output_commit))
    txn.delete(Table.JOBS, key)
    txn.delete(Table.JOB_ORDER, number_key(job.number))
    txn.delete(Table.QUEUE, number_key(job.number))


# --- datums ----------------------------------------------------------------------------------


def find_result(txn: ReadTxn, key: bytes, *, of_job: str = "") -> DatumResult | None:
    """The successful result of a datum key; None when there is none.

    Args:
        txn: The state to read.
        key: The key.
        of_job: Only a result that this job has made itself counts, as for a datum that is to run
            again: a job that was killed, or stopped, in the middle of that keeps what it has done.
    """
    value = txn.get(Table.DATUMS, key)
    result = unpack(DatumResult, value) if value is not None else None
    return result if result is None or of_job in {"", result.job} else None


def put_result(txn: WriteTxn, key: bytes, result: DatumResult, *, replace: bool = False) -> None:
    """Keep a successful result; if there is one already, that one stays unless told otherwise."""
    if replace:
        txn.put(Table.DATUMS, key, pack(result))
    else:
        txn.add(Table.DATUMS, key, pack(result))


def put_datum(txn: WriteTxn, job_id: str, number: int, record: DatumRecord) -> None:
    """Store what became of a datum of a job."""
    txn.put(Table.JOB_DATUMS, id_key(job_id) + number_key(number), pack(record))


def find_datum(txn: ReadTxn, job_id: str, number: int) -> DatumRecord | None:
    """What became of the datum at a place among all of a job's; None if the job did not run it."""
    value = txn.get(Table.JOB_DATUMS, id_key(job_id) + number_key(number))
    return unpack(DatumRecord, value) if value is not None else None


def list_datums(txn: ReadTxn, job_id: str) -> Iterator[DatumRecord]:
    """The datums that a job ran, in their order."""
    yield from (record for _, record in list_numbered_datums(txn, job_id))


def list_numbered_datums(txn: ReadTxn, job_id: str) -> Iterator[tuple[int, DatumRecord]]:
    """The datums that a job ran, each with its place among all of its datums."""
    for key, value in txn.scan(Table.JOB_DATUMS, prefix=id_key(job_id)):
        yield int.from_bytes(key[ID_SIZE:], "big"), unpack(DatumRecord, value)


def put_log(txn: WriteTxn, job_id: str, number: int, attempt: int, data: bytes) -> None:
    """Keep what one attempt printed."""
    txn.put(Table.LOGS, id_key(job_id) + number_key(number) + number_key(attempt), data)


def list_logs(txn: ReadTxn, job_id: str) -> Iterator[tuple[int, int, bytes]]:
    """Datum number, attempt and what it printed, of each attempt of a job."""
    for key, data in txn.scan(Table.LOGS, prefix=id_key(job_id)):
        number = int.from_bytes(key[ID_SIZE : ID_SIZE + 8], "big")
        yield number, int.from_bytes(key[ID_SIZE + 8 :], "big"), data


# --- images ----------------------------------------------------------------------------------


def put_image(txn: WriteTxn, image: Image) -> None:
    """Store a local image under its name."""
    txn.put(Table.IMAGES, image.name.encode(), pack(image))


def find_image(txn: ReadTxn, name: str) -> Image | None:
    """A local image by name; None when there is none."""
    value = txn.get(Table.IMAGES, name.encode())
    return unpack(Image, value) if value is not None else None


def get_image(txn: ReadTxn, name: str) -> Image:
    """A local image by name.

    Raises:
        ImageNotFoundError: There is none.
    """
    image = find_image(txn, name)
    if image is None:
        raise ImageNotFoundError(name, [known.name for known in list_images(txn)])
    return image


def list_images(txn: ReadTxn) -> Iterator[Image]:
    """All local images, by name."""
    for _, value in txn.scan(Table.IMAGES):
        yield unpack(Image, value)


def delete_image(txn: WriteTxn, name: str) -> None:
    """Remove a local image.

    Raises:
        ImageNotFoundError: There is none.
    """
    txn.delete(Table.IMAGES, get_image(txn, name).name.encode())
