"""What a command left in /pfs/out, taken into the store; nothing there is trusted."""

from __future__ import annotations

from pathlib import Path

from pfslib.model.errors import PfsError
from pfslib.pipelines.output_inspector import InputTrees, OutputInspector
from pfslib.trees.contents import ContentWriter
from pfslib.trees.edit import Edit
from pfslib.trees.hosttree import TreeReader


def read_output(out: Path, writer: ContentWriter, inputs: InputTrees) -> tuple[list[Edit], str]:
    """What a command wrote, and why it cannot be kept; empty if it can.

    Links to inputs become what they lead to, by reference. Other links out of the directory,
    whatever is no file, directory or link, and what cannot be read are refused.
    """
    try:
        with OutputInspector.of(out, inputs) as inspector:
            return list(TreeReader(writer, inspector=inspector).read(out, ())), ""
    except (PfsError, OSError) as error:
        return [], f"its output cannot be kept: {error}".replace(str(out), "/pfs/out")
