"""The `pfs` command: words in, calls of the api, tables or JSON out.

`entry` and `main` are the way in, `commands` the table of what there is; each subject has a module
(`repos`, `commits`, `files`, …) that is imported when one of its commands runs.
"""
