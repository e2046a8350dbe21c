"""Entry point of ``python -m ddtas_dev``."""

import sys

from ddtas_dev.cli import main

sys.exit(main(sys.argv[1:]))
