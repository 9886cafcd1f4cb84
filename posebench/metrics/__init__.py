"""Numbers of poses: a value per frame, and per joint where that makes sense. No files, no averages.

Imports ``base``.
Start with ``position.py`` (MPJPE and its variants) and ``alignment.py`` (what Procrustes alignment is here).
"""

from posebench.metrics.position import *  # noqa: F403
