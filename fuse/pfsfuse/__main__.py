"""``python -m pfsfuse CONTROL``: fork a mount server for every order that comes over a socket."""

import sys

from pfsfuse.zygote import Zygote

Zygote(int(sys.argv[1])).run()
