"""``python -m praxino`` is the command ``praxino``."""

from praxino.cli.app import main

main()
