"""Runners: a command is run with its own `/pfs`, in the local sandbox or in a Docker container.

`runner` is their contract. Nothing here knows a pipeline or a store: a runner gets a command, what
is to stand below `/pfs`, and limits, and says how it ended.
"""
