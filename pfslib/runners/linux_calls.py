"""The Linux calls that views of the file system are made of and ``os`` does not offer, by ctypes.

Imported by programs whose start is part of every job's latency: standard library only, and
nothing heavy of it. Every function raises OSError whose ``filename`` says what it was doing.
"""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False  # that of typing costs 5 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1 << 0
MS_NOSUID = 1 << 1
MS_NODEV = 1 << 2
MS_NOEXEC = 1 << 3
MS_REMOUNT = 1 << 5
MS_BIND = 1 << 12
MS_REC = 1 << 14
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6

# By number, for C libraries older than the calls. The same on every architecture but alpha.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_SYS_MOUNT_SETATTR = 442

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

# What Docker leaves to root in a container, less CAP_MKNOD: no device cgroup guards us. Above all
# not CAP_SYS_ADMIN, with which the command could take off the covers of what is hidden.
_KEPT_CAPABILITIES = frozenset(
    {
        0,  # chown
        1,  # dac_override
        3,  # fowner
        4,  # fsetid
        5,  # kill
        6,  # setgid
        7,  # setuid
        8,  # setpcap
        10,  # net_bind_service
        13,  # net_raw
        18,  # sys_chroot
        29,  # audit_write
        31,  # setfcap
    }
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _check(result: int, doing: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), doing)


def _call(doing: str, number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    _check(result, doing)
    return result


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def unshare(flags: int) -> None:
    """Put this process (for CLONE_NEWPID: its next child) into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Put this process (for CLONE_NEWPID: its next child) into the namespace of a descriptor."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Make or change a mount; the arguments are those of the call of the same name."""
    _check(
        _libc.mount(
            _encoded(source), os.fsencode(target), _encoded(kind), flags, os.fsencode(data)
        ),
        f"mount {source or 'flags'} on {target}",
    )


def bind(source: str, target: str, flags: int) -> None:
    """Bind a tree, with what is mounted inside it, and let no mount in or out of it afterwards.

    Args:
        source: Existing file or directory.
        target: Existing mount point of the same kind.
        flags: MS_RDONLY, MS_NOSUID, MS_NODEV or MS_NOEXEC to add to those the source has.
    """
    mount(source, target, None, MS_BIND | MS_REC)
    try:
        _restrict(_AT_FDCWD, target, flags)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        _restrict_before_linux_5_12(target, flags)


def _restrict(descriptor: int, path: str, flags: int) -> None:
    attributes = _MountAttr(attr_set=flags, propagation=MS_PRIVATE)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    how = _AT_RECURSIVE if path else _AT_RECURSIVE | _AT_EMPTY_PATH
    _call(
        f"restrict the mount on {path}",
        _SYS_MOUNT_SETATTR,
        *(descriptor, os.fsencode(path), how, ctypes.byref(attributes), size),
    )


def _restrict_before_linux_5_12(target: str, flags: int) -> None:
    """Restrict the topmost mount only: those inside it keep the flags they had."""
    mount(None, target, None, MS_REC | MS_PRIVATE)
    # The flags a mount came with are locked in a user namespace: leaving one out is refused. The
    # numbers of ST_* and MS_* are the same, except for "relatime", which is the default anyway.
    locked = os.statvfs(target).f_flag & (
        MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
    )
    mount(None, target, None, MS_REMOUNT | MS_BIND | locked | flags)


def clone_tree(path: str, flags: int) -> int:
    """A descriptor of a copy of a tree of mounts that is mounted nowhere. Linux 5.12.

    Args:
        path: Existing directory.
        flags: As for `bind`.
    """
    tree = _call(
        f"open the tree {path}",
        _SYS_OPEN_TREE,
        *(_AT_FDCWD, os.fsencode(path), _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC),
    )
    try:
        _restrict(tree, "", flags)
    except OSError:
        os.close(tree)
        raise
    return tree


def small_directory(names: Iterable[str]) -> int:
    """A descriptor of a read-only directory of empty directories, mounted nowhere. Linux 5.12."""
    system = _call("open tmpfs", _SYS_FSOPEN, b"tmpfs", _FSOPEN_CLOEXEC)
    try:
        for key, value in ((b"mode", b"755"), (b"size", b"1m")):
            _call("set up tmpfs", _SYS_FSCONFIG, system, _FSCONFIG_SET_STRING, key, value, 0)
        _call("make tmpfs", _SYS_FSCONFIG, system, _FSCONFIG_CMD_CREATE, None, None, 0)
        directory = _call("mount tmpfs", _SYS_FSMOUNT, system, _FSMOUNT_CLOEXEC, 0)
    finally:
        os.close(system)
    try:
        for name in names:
            os.mkdir(name, dir_fd=directory)
        _restrict(directory, "", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        os.close(directory)
        raise
    return directory


def attach_tree(tree: int, path: str) -> None:
    """Mount a tree that is mounted nowhere. The last component may not be a symbolic link."""
    _call(
        f"mount a tree on {path}",
        _SYS_MOVE_MOUNT,
        *(tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH),
    )


def detach(path: str) -> None:
    """Unmount the topmost mount on a path, and what is mounted inside it; in use or not."""
    _check(_libc.umount2(os.fsencode(path), _MNT_DETACH), f"unmount {path}")


def change_root(directory: str) -> None:
    """Make a mounted directory the root and the current directory, and let go of the old root."""
    os.chdir(directory)
    # With both arguments the same, the old root lies on top of the new one and goes by one umount.
    _check(_libc.pivot_root(b".", b"."), f"pivot_root to {directory}")
    detach(".")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def shield_from_children() -> None:
    """Close this process's memory and descriptors to processes of the same user, until an exec."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def forbid_new_privileges() -> None:
    """Let no later exec, of this process or a child, leave more than root has in a container.

    What this process itself may do stays as it is.
    """
    for number in range(64):
        if number in _KEPT_CAPABILITIES:
            continue
        result = _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        if result < 0 and ctypes.get_errno() == errno.EINVAL:
            break  # the kernel knows no higher one
        _check(result, "prctl(PR_CAPBSET_DROP)")
    _check(
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(PR_CAP_AMBIENT)"
    )
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    # Twice (effective, permitted, inheritable): the low 32 bits of each, then the high ones.
    sets = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, sets), "capget")
    sets[2] = sets[5] = 0
    _check(_libc.capset(header, sets), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
