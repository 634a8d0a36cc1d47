"""The mount server: shows finished commits to the kernel, read-only, from a process of its own.

`pfslib.mounts` starts it as ``python -m pfsfuse``; nobody imports it. From the outside in:
`command` reports to the starter, `settings` reads the arguments,
`server` brings the mount up and down, `binding` answers libfuse in
its own types, `operations` says what the answers are, `lookups` and `view` find the entry that a
kernel path means.
"""
