"""Settings of a training of this method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from posebench.networks.settings import Settings as Common


@dataclass(frozen=True, kw_only=True)
class Settings(Common):
    """Settings of :class:`baselines.chen2019.method.Chen2019`, in addition to the common ones.

    Attributes:
        variant: ``tuned`` (:mod:`baselines.chen2019.method`), or a published form (:mod:`baselines.chen2019.published`): ``paper``, or
            ``released`` for the public reproduction [R1].
        width: units of each hidden layer of the lifter.
        blocks: residual blocks of the lifter.
        dropout: share of hidden units of the lifter set to zero in training.
        norm: batch norm in the lifter.
        discriminator_width: units of each hidden layer of a discriminator.
        discriminator_blocks: residual blocks of a discriminator.
        distance: c, from the camera to the root, in mean lengths from root to head.
        tilt: degrees by which the cameras look down on average; 0 if it is not known.
        views: random views: ``level``: rotations about the vertical, and cameras that look down as steeply as those of training frames;
            ``camera``: rotations about the axes of the frame's own camera, elevation drawn uniformly up to ``elevation``.
        elevation: largest elevation of ``camera`` views, degrees up and down.
        consistency_3d: weight of the 3D consistency loss.
        consistency_2d: weight of the 2D consistency loss.
        adversarial: weight of the generator loss under the discriminator of single poses.
        temporal: weight of the generator loss under the temporal discriminator.
        gap: seconds between the two poses of a pair.
        gan_loss: ``bce``: binary cross-entropy; ``least squares``; ``wasserstein``.
        gradient_penalty: weight of the penalty on the discriminators' gradient between real and generated poses, published forms only.
        r1_penalty: weight of the R1 gradient penalty at real poses; 0 for none.
        r1_interval: discriminator steps from one penalty to the next; the penalty is multiplied by it, so that its mean stays.
        bone_vectors: discriminators see bone vectors in addition to joints.
        mirror: replace each pair by its mirror image with probability 1/2.
        view_limit: image coordinates of random views are clamped to this distance from the root, which real poses do not exceed; 0 for no
            limit, published forms only.
        beta1: of Adam.
        beta2: of Adam.
        adapter: weight of the adapter's generator loss; 0 for no domain adapter. It needs ``extra_data`` or ``own_takes``.
        adapter_penalty: weight of the mean squared correction by the adapter.
        adapted_share: share of adapted pairs in the lifter's batch.
        own_takes: number of training takes, the first by name, whose 2D poses are the method's own, published forms only; 0 for all.
            Those of the other takes are used through the adapter only.
    """

    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "variant": ("tuned", "paper", "released"),
        "views": ("level", "camera"),
        "gan_loss": ("bce", "least squares", "wasserstein"),
    }
    at_least: ClassVar[Mapping[str, int]] = {"own_takes": 0}

    variant: str = "tuned"
    width: int = 512
    blocks: int = 2
    dropout: float = 0.0
    norm: bool = False
    discriminator_width: int = 512
    discriminator_blocks: int = 2
    distance: float = 10.0
    tilt: float = 0.0
    views: str = "level"
    elevation: float = 20.0
    consistency_3d: float = 0.001
    consistency_2d: float = 10.0
    adversarial: float = 1.0
    temporal: float = 1.0
    gap: float = 1.0 / 6.0
    gan_loss: str = "bce"
    gradient_penalty: float = 0.0
    r1_penalty: float = 0.0
    r1_interval: int = 4
    bone_vectors: bool = False
    mirror: bool = False
    view_limit: float = 0.35
    beta1: float = 0.5
    beta2: float = 0.9
    adapter: float = 0.0
    adapter_penalty: float = 1.0
    adapted_share: float = 0.5
    own_takes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "tuned":
            published = {"gradient_penalty": self.gradient_penalty, "own_takes": self.own_takes}
            wrong = [name for name, value in published.items() if value] + ([] if self.view_limit else ["view_limit = 0"])
            belongs = "the published forms (variant)"
        else:
            tuned = {"tilt": self.tilt, "r1_penalty": self.r1_penalty, "bone_vectors": self.bone_vectors, "mirror": self.mirror}
            wrong = [name for name, value in {**tuned, "view_limit": self.view_limit, "views": self.views != "camera"}.items() if value]
            belongs = 'the tuned form (a published form has views = "camera")'
        if wrong:
            raise ValueError(f"variant = {self.variant!r} with {', '.join(wrong)}, which belongs to {belongs}")
        if bool(self.adapter) != bool(self.extra_data) and not self.own_takes:
            raise ValueError("adapter and extra_data need each other: the adapter corrects the 2D poses of the extra data")
        if self.own_takes and self.extra_data:
            raise ValueError("own_takes and extra_data exclude each other: foreign 2D poses are those of the other takes, or extra data")
        if self.distance <= 1.0 or self.r1_interval < 1:
            raise ValueError("distance must be above 1 and r1_interval at least 1")
