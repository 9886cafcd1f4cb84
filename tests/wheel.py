"""An installed wheel: the kernel is in C, and it scores as numpy does. For cibuildwheel and CI; needs nothing but the wheel.

``python tests/wheel.py [numpy]``, in an environment without the checkout on its path; ``numpy`` where no compiler was found.
"""

import sys

import numpy as np

import posebench
from posebench.metrics import alignment, kernel
from posebench.metrics.buffers import Buffers
from posebench.metrics.kernel import blocked

wanted = (sys.argv[1:] or ["c"])[0]
if kernel.NAME.split()[0] != wanted:
    sys.exit(f"the kernel is {kernel.NAME}, not {wanted}")
random = np.random.default_rng(0)
truth = random.normal(scale=300.0, size=(100, 17, 3))
pred = truth + random.normal(scale=60.0, size=truth.shape)
for name, error in blocked.residuals(pred, truth, alignment.ALIGNMENTS, Buffers())[0].items():
    np.testing.assert_allclose(alignment.residuals(pred, truth, [name]).errors[name], error, rtol=0, atol=1e-9)
file = posebench.save_predictions("truth.npz", {"S1/Walk 1/c0": truth}, unit="mm", skeleton="h36m17")
result = posebench.score({"S1/Walk 1/c0": pred}, "pair-17j", truth=file, unit="mm", skeleton="h36m17", method="noise")
print(f"{posebench.__file__}: kernel {result.environment.kernel}, {result!r}")
