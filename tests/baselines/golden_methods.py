"""Golden numbers of the published methods: inputs, expected outputs, and the rule that draws the weights they were computed with.

``tests/golden/methods/METHOD.json`` and ``METHOD.npz``. Nothing is trained: tensor i of a network is ``offset + scale * normal``, squared
where ``square`` says so, rounded to float32; ``normal`` is drawn by ``numpy.random.RandomState(seed + i)``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parents[1] / "golden" / "methods"
#: Largest deviation of float64 from arrays that are stored as float64, and from those that are stored as float32.
EXACT, ROUNDED = 1e-9, 1e-6


class Golden(NamedTuple):
    """The golden numbers of a method.

    Attributes:
        facts: content of its JSON file: joints, layout, scalars, remarks.
        arrays: content of its npz file.
    """

    facts: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]

    def weights(self, network: str | None = None) -> dict[str, npt.NDArray[np.float32]]:
        """The tensors of a network, by their golden names, in order; ``network`` where the method has more than one.

        Raises:
            AssertionError: a tensor's checksum is not the golden one, so that the rule was read wrongly.
        """
        listed = self.facts["weights"] if network is None else self.facts["weights"][network]
        return {tensor["name"]: _draw(int(listed["seed"]), tensor) for tensor in listed["tensors"]}

    def close(self, found: Any, name: str, *, within: float | None = None) -> float:
        """The largest deviation of ``found`` from the golden array ``name``, after asserting that it is within the tolerance.

        Args:
            found: array or tensor, reshaped to the golden array's shape; float64 unless ``within`` is given.
            name: of the array in the npz file.
            within: tolerance, absolute and relative; by the stored dtype where None.
        """
        wanted = self.arrays[name]
        tolerance = within if within is not None else EXACT if wanted.dtype == np.float64 else ROUNDED
        array = np.asarray(found.detach().numpy() if hasattr(found, "detach") else found).reshape(wanted.shape)
        np.testing.assert_allclose(array, wanted, rtol=tolerance, atol=tolerance, err_msg=name)
        return float(np.abs(array - wanted).max())


def golden(method: str) -> Golden:
    """The golden numbers of a method."""
    facts = json.loads((FOLDER / f"{method}.json").read_text(encoding="utf-8"))
    with np.load(FOLDER / f"{method}.npz", allow_pickle=False) as arrays:
        return Golden(facts, {name: arrays[name] for name in arrays.files})


def fill(module: Any, names: dict[str, str], weights: dict[str, npt.NDArray[np.float32]]) -> None:
    """Copy golden weights into a torch module.

    Args:
        module: the network.
        names: state_dict name to golden name, for every tensor of the network that the golden weights determine.
        weights: see :meth:`Golden.weights`.

    Raises:
        AssertionError: a golden tensor is not used, or one has another shape than the module's.
    """
    import torch

    state = module.state_dict()
    assert set(names.values()) == set(weights), set(names.values()) ^ set(weights)
    for ours, theirs in names.items():
        assert tuple(state[ours].shape) == weights[theirs].shape, (ours, theirs, tuple(state[ours].shape), weights[theirs].shape)
        state[ours].copy_(torch.from_numpy(weights[theirs]))


def _draw(seed: int, tensor: dict[str, Any]) -> npt.NDArray[np.float32]:
    """One tensor, drawn by the rule and held against its checksum."""
    normal = np.random.RandomState(seed + int(tensor["index"])).standard_normal(tuple(tensor["shape"]))
    value = float(tensor["offset"]) + float(tensor["scale"]) * normal
    drawn = (value**2 if tensor["square"] else value).astype(np.float32)
    place = np.arange(drawn.size) % 97
    checksum = float((drawn.ravel().astype(np.float64) * np.cos(place)).sum())
    np.testing.assert_allclose(checksum, float(tensor["checksum"]), rtol=1e-9, atol=1e-9, err_msg=str(tensor["name"]))
    return drawn
