"""What a factor of a whole clip, or of the whole set, is made of; and why a convention has no meaning for an input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posebench.scoring.conventions.pose_arrays import dot, inverse, torso
from posebench.scoring.conventions.reading import Placement

Array = npt.NDArray[np.float64]

#: AdaptPose's mean distance from pelvis to thorax, mm.
TORSO_MM = 520.0


class CannotError(Exception):
    """A convention has no meaning for this input; the text says why."""


@dataclass
class WholeSet:
    """What the factors of a whole set are made of: collected in a first pass, used in a second.

    Attributes:
        scales: by view and clip, the sums of <P, G> and <P, P>, and the least-squares scale of each pose.
        torsos: by view, the predicted distance from pelvis to thorax of each frame of each clip, mm.
        order: clip ids in reading order.
    """

    scales: dict[Placement, dict[str, tuple[float, float, Array]]] = field(default_factory=dict)
    torsos: dict[Placement, dict[str, Array]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    _medians: dict[Placement, float] = field(default_factory=dict)
    _factors: dict[tuple[Placement, int], dict[str, Array]] = field(default_factory=dict)

    def collect(self, clip: str, view: Placement, blocks: Iterable[tuple[Array, Array]]) -> None:
        """Add a clip, from blocks of its root-relative predicted and true poses."""
        products, sizes, torsos = [], [], []
        has_torso = {"pelvis", "thorax"} <= set(view.fitted)
        for pred, truth in blocks:
            flat = pred.reshape(len(pred), -1)
            products.append(dot(flat, truth.reshape(len(truth), -1)))
            sizes.append(dot(flat, flat))
            torsos.append(torso(pred, view) if has_torso else np.empty(0))
        product, size = np.concatenate(products), np.concatenate(sizes)
        self.scales.setdefault(view, {})[clip] = float(product.sum()), float(size.sum()), product * inverse(size)
        self.torsos.setdefault(view, {})[clip] = np.concatenate(torsos)

    def clip_scale(self, view: Placement, clip: str) -> float:
        """One least-squares factor for a clip."""
        product, size, _ = self.scales[view][clip]
        return product / size if size > 0.0 else 1.0

    def clip_torso_scale(self, view: Placement, clip: str) -> float:
        """The factor that gives a clip the mean torso of :data:`TORSO_MM`."""
        lengths = self.torsos[view][clip]
        mean = float(lengths.mean()) if len(lengths) else 0.0
        return TORSO_MM / mean if mean > 0.0 else 1.0

    def one_scale(self, view: Placement) -> float:
        """One least-squares factor for the set."""
        found = self.scales[view].values()
        size = sum(square for _, square, _ in found)
        return sum(product for product, _, _ in found) / size if size > 0.0 else 1.0

    def median_scale(self, view: Placement) -> float:
        """The median of the least-squares factors of all poses."""
        if view not in self._medians:
            self._medians[view] = float(np.median(np.concatenate([scales for _, _, scales in self.scales[view].values()])))
        return self._medians[view]

    def torso_scales(self, view: Placement, batch: int) -> dict[str, Array]:
        """By clip, the factor of each frame that gives its batch of ``batch`` frames the mean torso of :data:`TORSO_MM`."""
        if (view, batch) not in self._factors:
            self._factors[view, batch] = self._torso_scales(view, batch)
        return self._factors[view, batch]

    def _torso_scales(self, view: Placement, batch: int) -> dict[str, Array]:
        lengths = [self.torsos[view][clip] for clip in self.order]
        every = np.concatenate(lengths)
        starts = np.arange(0, len(every), batch)
        means = np.add.reduceat(every, starts) / np.diff(np.append(starts, len(every)))
        factors = np.repeat(inverse(means) * TORSO_MM, np.diff(np.append(starts, len(every))))
        parts = np.split(factors, np.cumsum([len(part) for part in lengths])[:-1])
        return dict(zip(self.order, parts, strict=True))


def of_whole_clip(prepared: str) -> bool:
    """Whether a preparation needs the sums of the clip, or of the whole set, before its first frame."""
    return prepared in ("clip scale", "torso clip") or of_whole_set(prepared)


def of_whole_set(prepared: str) -> bool:
    """Whether a preparation needs the whole set before the first pose."""
    return prepared in ("one scale", "median scale") or (prepared.startswith("torso ") and prepared != "torso clip")
