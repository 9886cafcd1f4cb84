"""How alignment is computed fast; only ``metrics/alignment.py`` uses it, and defines what is computed.

Imports ``base`` and ``metrics/buffers.py``.
Start with ``blocked.py``: the closed form in numpy, block by block.
"""

from posebench.metrics.kernel.blocked import BLOCK, aligned, residuals, transforms

__all__ = ["BLOCK", "aligned", "residuals", "transforms"]
