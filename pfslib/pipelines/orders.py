"""Order names: bytes by which datums sort, and by which a job's plan knows them.

A datum's order name is made of the paths it sees. Compared as bytes, order names compare as those
paths do, component by component, so that a plan, which is a directory of order names, has its
datums in the order in which their outputs are merged. They are names that a directory may hold:
without '/' or NUL, and not too long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from blake3 import blake3

ORDER_MAX: Final = 200
_TAIL: Final = 40
_END: Final = b"\x01\x01"

NO_PARTS: Final = b"\x01\x04"
"""The order name of no path at all: of the datum of a commit in which nothing matches."""


def of_parts(parts: Iterable[bytes]) -> bytes:
    """The order name of a path: a prefix of no other's, and sorted as its components are."""
    return b"".join(_of_text(part) for part in parts) + _END


def of_text(text: str) -> bytes:
    """The order name of some text, such as what matches are joined by."""
    return _of_text(text.encode("utf-8", "surrogateescape"))


def of_number(number: int) -> bytes:
    """The order name of a number: its digits, how many there are first. Fewer than 16."""
    digits = b"%x" % number
    return b"%x" % len(digits) + digits


def shortened(order: bytes) -> bytes:
    """The order name as it is used: of a very long one, its beginning and a hash of it all.

    So those that begin alike over more than 150 bytes are not in the order of their paths, but in
    one that never changes.
    """
    if len(order) <= ORDER_MAX:
        return order
    return order[: ORDER_MAX - _TAIL] + blake3(order).hexdigest(_TAIL // 2).encode()


def _of_text(text: bytes) -> bytes:
    return text.replace(b"\x01", b"\x01\x02").replace(b"/", b"\x01\x03") + _END
