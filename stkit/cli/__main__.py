"""`python -m stkit.cli` is `stkit`."""

import sys

from stkit.cli import main

sys.exit(main())
