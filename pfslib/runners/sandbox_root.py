"""The file system a sandboxed command sees: the host's, plus ``/pfs``, less what is hidden.

Runs in the zygote's children, inside a mount namespace of their own: nothing of it shows on the
host, and all of it goes with the last process in it. Standard library only, and little of it.
"""

# Not pathlib: it would cost the zygote 10 ms.
# ruff: noqa: PTH102, PTH110, PTH112, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import contextlib
import os

from pfslib.runners.linux_calls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    MS_UNBINDABLE,
    bind,
    change_root,
    mount,
)

TYPE_CHECKING = False  # that of typing costs the zygote 5 ms
if TYPE_CHECKING:
    from pfslib.runners.sandbox_order import View

_TAME = MS_NOSUID | MS_NODEV
_ROOT_SIZE = "64m"
_GROUPS = "/sys/fs/cgroup"
_NOT_LAID_OVER = frozenset({"pfs", "proc", "sys", "dev"})


def enter(view: View) -> None:
    """Make the view this process's root. To be called in a fresh mount and PID namespace.

    Raises:
        OSError: A mount was refused; its ``filename`` says which.
    """
    root = view["root"]
    # What the host mounts or unmounts later shows in here too; nothing of ours shows there.
    mount(None, "/", None, MS_REC | MS_SLAVE)
    # Writable, as a container's: scripts leave files in "/", and nobody misses them afterwards.
    mount("pfs-root", root, "tmpfs", _TAME, f"mode=755,size={_ROOT_SIZE}")
    # The new root stands somewhere in the tree that is bound into it: this ends the recursion.
    mount(None, root, None, MS_UNBINDABLE)
    _mirror("/", root)
    if os.path.isdir(root + _GROUPS):  # to be read, as in a container: not to lift one's limits
        bind(_GROUPS, root + _GROUPS, MS_RDONLY | _TAME)
    if view["image"]:
        _lay_over(view["image"], "", root)
    _give_data(root, view["inputs"], view["out"])
    for path in view["hidden"]:
        _cover(path, root)
    mount(None, root, None, MS_PRIVATE)
    change_root(root)
    # Refused where the host's /proc is itself partly covered, as in a container. The bound one
    # then shows other processes' numbers; the kernel's ptrace rules still guard what is in them.
    with contextlib.suppress(PermissionError):
        mount("proc", "/proc", "proc", _TAME | MS_NOEXEC)


def _mirror(directory: str, place: str) -> None:
    """Bind all that is in a host directory, and what is mounted there, into an empty one."""
    for entry in os.scandir(directory):
        if entry.path == "/pfs":
            continue
        copy = f"{place}/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
        else:
            _make_mount_point(copy, directory=entry.is_dir())
            mount(entry.path, copy, None, MS_BIND | MS_REC)


def _make_mount_point(place: str, *, directory: bool) -> None:
    if directory:
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC))


def _give_data(root: str, inputs: dict[str, str], out: str) -> None:
    """Make /pfs. Read-only but for the output: what is written beside that would be lost."""
    os.mkdir(f"{root}/pfs")
    mount("pfs", f"{root}/pfs", "tmpfs", _TAME, "mode=755,size=1m")
    for name, directory in inputs.items():
        _make_mount_point(f"{root}/pfs/{name}", directory=True)
        bind(directory, f"{root}/pfs/{name}", MS_RDONLY | _TAME)
    if out:
        _make_mount_point(f"{root}/pfs/out", directory=True)
        bind(out, f"{root}/pfs/out", _TAME)
    mount(None, f"{root}/pfs", None, MS_REMOUNT | MS_BIND | MS_RDONLY | _TAME)


# --- hiding ----------------------------------------------------------------------------------


def _cover(path: str, root: str) -> None:
    place = root + path
    if os.path.isdir(place):
        mount("pfs-hidden", place, "tmpfs", _TAME | MS_NOEXEC | MS_RDONLY, "mode=755,size=4k")
    elif os.path.exists(place):
        mount("/dev/null", place, None, MS_BIND)


# --- laying an image over the host -----------------------------------------------------------


def _lay_over(image: str, directory: str, root: str) -> None:
    """Lay an image's directory over the host's of that name; ``/`` is named by nothing at all."""
    for entry in os.scandir(image):
        if not directory and entry.name in _NOT_LAID_OVER:
            continue
        # Where the host has a symbolic link, as in /bin -> usr/bin, its target is what is covered.
        target = os.path.realpath(f"{directory}/{entry.name}")
        place = root + target
        taken = os.path.lexists(place)
        if entry.is_symlink():
            if not taken:
                os.symlink(os.readlink(entry.path), place)
        elif entry.is_dir() and taken:
            _merge(entry.path, target, root)
        else:
            if not taken:
                _make_mount_point(place, directory=entry.is_dir())
            bind(entry.path, place, MS_RDONLY | _TAME)


def _merge(image: str, directory: str, root: str) -> None:
    if not os.listdir(image):  # an exported image has many empty ones: /tmp, /mnt …
        return
    place = root + directory
    if _has_mounts_inside(directory, root):
        # An overlay would not show them, and the kernel refuses it to an ordinary user, for
        # whom it would uncover what they hide. So directories like this are merged by hand.
        mount("pfs-merged", place, "tmpfs", _TAME, "mode=755,size=1m")
        _mirror(directory, place)
        _lay_over(image, directory, root)
        mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | _TAME)
    else:
        layers = f"lowerdir={_escaped(image)}:{_escaped(place)}"
        mount("pfs-merged", place, "overlay", _TAME | MS_RDONLY, layers)


def _escaped(layer: str) -> str:
    for special in "\\:,":
        layer = layer.replace(special, f"\\{special}")
    return layer


def _has_mounts_inside(directory: str, root: str) -> bool:
    with open("/proc/self/mountinfo", "rb") as table:
        points = [line.split(b" ")[4] for line in table]
    ours = os.fsencode(f"{root}/")
    # The table writes blanks as \040; a directory of such a name is at worst taken for one without.
    inside = os.fsencode(f"{directory}/")
    return any(point.startswith(inside) and not (point + b"/").startswith(ours) for point in points)
