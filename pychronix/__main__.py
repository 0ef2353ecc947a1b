"""``python -m pychronix``: the command line."""

from pychronix.cli import main

raise SystemExit(main())
