"""From the command line to a served mount; every failure ends in a sentence for the starter."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pfsfuse.reporting import Reports
from pfsfuse.settings import parse_settings
from pfslib import PfsError


def main(arguments: Sequence[str]) -> int:
    """Serve one mount until it is unmounted, or its owner dies.

    Args:
        arguments: The command line without the program.

    Returns:
        The exit code: 0 after an unmount, 1 when the mount did not come up.
    """
    settings = parse_settings(arguments)
    name = os.fsdecode(settings.mountpoint)
    reports = Reports(settings.ready_fd, settings.log_fd, name=name)
    try:
        # Imported here because it needs libfuse, and to miss that is a failure like any other.
        from pfsfuse.server import serve

        serve(settings, reports)
    except PfsError as error:
        reports.failed(error)
        return 1
    return 0
