"""`python -m pfslib.cli` is `pfs`."""

from pfslib.cli.entry import main

main()
