"""The handles a user holds: Store, Repo, Commit, OpenCommit, Tree."""

import logging

logging.getLogger("pfslib").addHandler(logging.NullHandler())  # else Python prints warnings itself
