"""The verbs of a store for local images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.model.host_paths import host_path
from pfslib.model.names import check_image_name
from pfslib.model.removal import Removal
from pfslib.model.work import Image
from pfslib.pipelines import ledger
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import apply_edits
from pfslib.trees.hosttree import TreeReader

if TYPE_CHECKING:
    from pfslib.kv.protocol import KV
    from pfslib.trees.nodestore import TreeCache


class ImageVerbs:
    """Local images of a store."""

    path: Path
    kv: KV
    cache: TreeCache

    def create_image(self, name: str, directory: str | Path) -> Image:
        """Make a local image of a directory: files the sandbox lays over the machine's own.

        The directory stands for what a Dockerfile would add to its base. It is read now; a new
        call with the name replaces the image.

        Args:
            name: As a spec names it, such as ``user/name:tag``.
            directory: The directory of the host.

        Raises:
            UnsupportedFileError: It holds a device, a fifo or a socket.
        """
        check_image_name(name)
        writer = ContentWriter(self.kv)
        edits = list(TreeReader(writer, leave_out=self.path).read(host_path(directory), ()))
        now_ns = time.time_ns()
        with writer.writing() as txn:
            empty = empty_directory(txn, mtime_ns=now_ns, origin=b"")
            applied = apply_edits(txn, empty, edits, self.cache, origin=b"", now_ns=now_ns)
            image = Image(name, applied.root, now_ns)
            ledger.put_image(txn, image)
        writer.close()
        return image

    def list_image(self) -> list[Image]:
        """The local images, by name."""
        with self.kv.read() as txn:
            return list(ledger.list_images(txn))

    def delete_image(self, name: str, *, dry_run: bool = False) -> Removal:
        """Remove a local image.

        Args:
            name: The image.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            ImageNotFoundError: There is none.
        """
        if dry_run:
            with self.kv.read() as reading:
                ledger.get_image(reading, name)
        else:
            with self.kv.write() as txn:
                ledger.delete_image(txn, name)
        return Removal(images=(name,))
