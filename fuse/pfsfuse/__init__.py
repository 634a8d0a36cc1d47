"""The mount server: shows finished commits to the kernel, read-only, from a process of its own.

`pfslib.mounts` starts it as a program of its own; nobody imports it. From the outside in: `zygote`
forks a server for each order, `settings`; `server` brings the mount up and down, `kernel_loop`
speaks to the kernel (or `binding`, by way of libfuse), `operations` says what the answers are,
`views` what is shown.
"""
