"""`python -m pfslib.cli` is `pfs`."""

from pfslib.cli.main import main

main()
