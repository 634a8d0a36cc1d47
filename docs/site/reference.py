"""Which public name stands on which page of the reference, in reading order."""

from __future__ import annotations

from typing import Final, NamedTuple

INTRODUCTION: Final = """\
# Reference

From the docstrings of every public name. What holds for all of them, and is not repeated:

- **Units.** Sizes, offsets and totals are bytes; what ends in `_s` is seconds, in `_ns`
  nanoseconds since 1970; times are `datetime`, in UTC. Digests are BLAKE3-256, in hexadecimal.
- **Paths** of a commit are absolute, `/` between components; a leading `/` may be left out. Names
  that are not UTF-8 come as Python's file functions give them (`surrogateescape`).
- **Errors** are all {obj}`pfslib.PfsError`, mostly also the built-in error that fits
  (`FileNotFoundError`, `LookupError`, `ValueError`, …), with a `hint` what to do next. `Raises`
  names those that are about the call. Any call may also raise {obj}`pfslib.StoreClosedError`,
  {obj}`pfslib.CorruptionError` when it meets damage and, when it writes,
  {obj}`pfslib.StoreFullError`.
- **Cost.** Where nothing is said, a call makes a few look-ups, as many whatever the store holds,
  and one that publishes waits for the disk once. What is linear in
  something says in what; a call that lists things costs what it lists, an iterator as it goes on.
- **Threads, processes.** Handles are thread-safe, work in forked children, and are pickled by the
  path of their store; see [In your program](../embedding.md).
"""


class Page(NamedTuple):
    """A page of the reference."""

    title: str
    about: str
    names: tuple[str, ...]


PAGES: Final = {
    "stores": Page(
        "Stores",
        "Where everything begins: a directory that is opened.",
        ("open", "init", "recover", "Store"),
    ),
    "commits": Page(
        "Repos and commits",
        "What is in a store, and how it changes.",
        ("Repo", "Commit", "OpenCommit", "CommitPath", "WorkingCopy", "Mounted"),
    ),
    "records": Page(
        "What calls return",  # and all that is named nowhere
        "Frozen records: they say what was so when they were asked for.",
        (
            *("RepoInfo", "BranchInfo", "TagInfo", "OpenCommitInfo", "FileInfo", "DiffEntry"),
            *("FoundCommit", "HeadMove", "Exported", "Removal", "GcReport", "FsckReport"),
            *("Problem", "StoreStats"),
        ),
    ),
    "pipelines": Page(
        "Pipelines and jobs",
        "Specs as typed objects, and what became of the work.",
        (
            *("PipelineSpec", "PipelineName", "TransformSpec", "InputSpec", "PfsInput"),
            *("CronInput", "Pipeline", "Job", "JobState", "DatumRecord", "DatumState", "Image"),
        ),
    ),
    "interop": Page(
        "Other people's formats",
        "These are in modules of `pfslib.interop`, so that their libraries are loaded only then.",
        (
            "interop.filesystem.PfsFileSystem",
            "interop.transactions.PfsTransaction",
            "interop.job_board.JobBoard",
            "interop.tar_stream.import_tar",
            "interop.tar_stream.export_tar",
            "interop.zip_file.import_zip",
            "interop.zip_file.export_zip",
            "interop.git_history.import_git",
            "interop.git_export.export_git",
            "interop.records.put_split",
            "interop.arriving.Imported",
        ),
    ),
    "building": Page(
        "To build on",
        "For mount servers and runners of your own; applications need none of it.",
        (
            *("open_trees", "TreeSource", "Tree", "Entry", "Kind", "open_catalog", "Catalog"),
            *("CatalogEntry", "Runner", "Session", "Attempt", "Outcome", "Confinement"),
        ),
    ),
}

ERRORS: Final = Page(
    "Errors",
    "One tree. Each is also the built-in error that a caller would catch.",
    (),  # all there are: see errors() of build.py
)
