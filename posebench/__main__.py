"""``python -m posebench``."""

import sys

from posebench.cli.main import main

sys.exit(main())
