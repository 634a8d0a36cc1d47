"""Mounts of finished commits, each served by a child process: make, list and remove them.

`mounting` starts a server and hands back the mount; `checks` says beforehand what cannot work;
`server_process` is the child; `mountinfo` reads from the kernel what is mounted, `unmounting`
takes it down. Nothing here knows libfuse: the server is `pfsfuse`.
"""
