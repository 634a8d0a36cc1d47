"""``python -m pfsfuse``: serve one mount until it is unmounted."""

import os
import sys

from pfsfuse.command import main

exit_code = main(sys.argv[1:])
sys.stderr.flush()
# Not sys.exit: the thread in libfuse's loop may be stuck in a request that is never answered.
os._exit(exit_code)
