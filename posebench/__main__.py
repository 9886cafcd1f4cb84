"""``python -m posebench``."""

import sys

from posebench.cli import main

sys.exit(main())
