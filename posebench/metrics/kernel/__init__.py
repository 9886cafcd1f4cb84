"""How alignment is computed fast; only ``metrics/alignment.py`` uses it, and defines what is computed.

Imports ``base`` and ``metrics/buffers.py``.
Start with ``blocked.py``: alignment in numpy, block by block; ``rotation.py`` has the closed form of the rotation.
"""

from posebench.metrics.kernel.blocked import BLOCK, aligned, residuals, transforms

__all__ = ["BLOCK", "aligned", "residuals", "transforms"]
