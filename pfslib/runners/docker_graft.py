"""The process that mounts an attempt's directories into a running container, and takes them out.

Nothing of it shows on the host: what is mounted, is mounted in the container's namespace only,
and goes with the container. For root, beside the engine, on Linux 5.12 or later. It is a process
of its own because only a single-threaded one may change its mount namespace.

A message is a marshalled pair: the inputs' directories by name, and the output directory, empty
to take out what is there. A descriptor of the container's mount namespace travels with it. The
answer is a sentence, empty when all went well.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import socket

from pfslib.runners.linux_calls import (
    CLONE_NEWNS,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    attach_tree,
    clone_tree,
    detach,
    setns,
    small_directory,
)

TYPE_CHECKING = False  # that of typing costs 5 ms
if TYPE_CHECKING:
    from typing import NoReturn

_PFS = "/pfs"
_MESSAGE_BYTES = 1 << 20


def main(control_descriptor: int, owner: int) -> NoReturn:
    """Do as messages say until the owner ends; as for `bare_process`."""
    control = socket.socket(fileno=control_descriptor)
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    events = select.poll()
    for source in (control.fileno(), owner):
        events.register(source, select.POLLIN)
    while owner not in dict(events.poll()):
        message, received, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 1)
        if not message:
            break
        inputs, out = marshal.loads(message)  # noqa: S302 - from the process that started this one
        try:
            _graft(received[0], home, inputs, out)
            answer = b""
        except OSError as error:
            answer = f"{error.filename}: {error.strerror}".encode(errors="surrogateescape")
        finally:
            os.close(received[0])
        control.send(answer or b"\n")
    os._exit(0)


def _graft(container: int, home: int, inputs: dict[str, str], out: str) -> None:
    with contextlib.ExitStack() as held:
        trees: dict[str, int] = {}

        def hold(path: str, tree: int) -> None:
            held.callback(os.close, tree)
            trees[path] = tree

        if out:
            hold(_PFS, small_directory([*inputs, "out"]))
            hold(f"{_PFS}/out", clone_tree(out, MS_NOSUID | MS_NODEV))
        for name, directory in inputs.items():
            hold(f"{_PFS}/{name}", clone_tree(directory, MS_RDONLY | MS_NOSUID | MS_NODEV))
        setns(container, CLONE_NEWNS)
        try:
            # Whatever the command did in its root, this is not led astray: /pfs is a mount point
            # there, which can be neither removed nor replaced by a link.
            for path, tree in trees.items():
                attach_tree(tree, path)
            if not out:
                detach(_PFS)
        finally:
            setns(home, CLONE_NEWNS)
