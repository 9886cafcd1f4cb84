"""How alignment and sums are computed fast, for ``metrics/alignment.py`` and ``scoring/fused.py``, which define what is computed.

Imports ``base`` and ``metrics/buffers.py``.
Start with ``blocked.py``: alignment in numpy, block by block; ``rotation.py`` has the closed form of the rotation. ``pose_kernel.c`` does
the same in C, ``compiled.py`` calls it. It is used where it was built; the environment variable ``POSEBENCH_KERNEL`` chooses: ``numpy``,
``c``, or ``c`` with the instructions ``avx512``, ``avx2`` or ``plain``, such as ``c avx2``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError
from posebench.metrics.kernel import blocked
from posebench.metrics.kernel.blocked import BLOCK

__all__ = ["BLOCK", "NAME", "aligned", "measure", "residuals", "transforms"]


def _chosen(wanted: str) -> tuple[ModuleType, str]:
    """The kernel's module, and its name as results state it."""
    kind, _, instructions = wanted.partition(" ")
    if kind not in ("", "c", "numpy") or (kind != "c" and instructions):
        raise PosebenchError(f"POSEBENCH_KERNEL={wanted}", "numpy, c, c avx512, c avx2 or c plain", "correct or unset the variable")
    if kind == "numpy":
        return blocked, "numpy"
    try:
        from posebench.metrics.kernel import compiled

        return compiled, f"c {compiled.use(instructions)}"
    except ImportError as error:
        if not kind:
            return blocked, "numpy"
        found = f"POSEBENCH_KERNEL={wanted}, but the compiled kernel was not built"
        raise PosebenchError(found, "an installation with a C compiler", "install one and reinstall posebench, or unset it") from error
    except ValueError as error:
        raise PosebenchError(f"POSEBENCH_KERNEL={wanted}: {error}", "instructions of this processor", "unset the variable") from error


_kernel, NAME = _chosen(os.environ.get("POSEBENCH_KERNEL", "").strip())
#: The sums of metrics over a clip in one pass; None where numpy does the work. See ``measure`` of ``compiled.py``.
measure: Callable[..., tuple[int, ...]] | None = getattr(_kernel, "measure", None)
if TYPE_CHECKING:
    from posebench.metrics.kernel.blocked import aligned, residuals, transforms
else:
    residuals, aligned, transforms = _kernel.residuals, _kernel.aligned, _kernel.transforms
