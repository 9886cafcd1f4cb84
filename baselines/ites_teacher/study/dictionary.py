"""A picture of a run's pose dictionary: the mean pose, with each basis added and subtracted.

    python -m posebench.baselines.ites_teacher.study.dictionary RUN -o dictionary.png

**What is drawn.** The mean is the canonical pose with the mean coefficients of ``synthetic``'s first test clips. Each basis is varied, the
other coefficients constant, until the joint that moves most has moved by :data:`MOVED` root-to-head lengths. Grey is the mean; there are
two views, from the front of the canonical frame and from its side. The bases are sorted by how far one standard deviation of their
coefficient moves the joints on these clips, the largest first; this distance is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.display.poses import draw_poses
from posebench.networks.samples import image_coordinates

from ...studies import exit_code, open_trained, study_parser
from ..method import Teacher

#: Clips on which coefficients are taken, and the distance between their frames.
CLIPS, STEP = 24, 10
#: Movement of the joint that moves most in the picture, in mean root-to-head lengths.
MOVED = 0.4
#: Bases in a row of the picture.
ACROSS = 4


def mean_and_bases(run: str | Path) -> tuple[Array, Array]:
    """The mean canonical pose (J, 3), and the bases (B, J, 3) times the standard deviation of their coefficients, largest first.

    Raises:
        PosebenchError: no finished run, or one of another method.
    """
    _, trained = open_trained(run)
    if not isinstance(trained.method, Teacher):
        raise PosebenchError(f"{run}: a run of {trained.info.id}", "one of ites_teacher", "posebench train ites_teacher ...")
    network, dataset = trained.method.lifter, open_dataset("synthetic")
    if dataset.skeleton != trained.info.skeleton:
        raise PosebenchError(
            f"{run}: a run on {trained.info.skeleton}",
            f"one on {dataset.skeleton}, the skeleton of synthetic, which the coefficients are taken on",
            "choose it",
        )
    images = []
    for id in dataset.clip_ids("test")[:CLIPS]:
        clip = dataset.load(id)
        assert clip.camera is not None
        images.append(image_coordinates(clip.keypoints("gt")[::STEP], clip.camera).astype(np.float32))
    with torch.inference_mode():
        views = network.camera(torch.from_numpy(np.concatenate(images)))
        coefficients = network.predict(views.image, views.down).coefficients
        mean = network.dictionary(coefficients.mean(dim=0)).unflatten(0, (-1, 3))
        bases = network.dictionary.weight.T.unflatten(1, (-1, 3)) * coefficients.std(dim=0)[:, None, None]
        bases = bases - bases[:, :1]  # relative to the root, as poses are drawn
        order = bases.norm(dim=(1, 2)).argsort(descending=True)
    return (mean - mean[:1]).double().numpy(), bases[order].double().numpy()


def draw_dictionary(run: str | Path, path: str | Path) -> Array:
    """Draw rows of mean plus basis and mean minus basis, :data:`ACROSS` bases in each.

    Returns:
        For each basis, how far one standard deviation of its coefficient moves the joint that moves most.
    """
    mean, bases = mean_and_bases(run)
    movement: Array = np.linalg.norm(bases, axis=-1).max(axis=1)
    bases = bases * (MOVED / np.maximum(movement, 1e-12))[:, None, None]
    # The last row is filled with the mean itself.
    padding = -len(bases) % ACROSS
    bases = np.concatenate([bases, np.zeros((padding, *mean.shape))])
    rows = {}
    for first in range(0, len(bases), ACROSS):
        last = min(first + ACROSS, len(bases) - padding)
        for label, sign in (("plus", 1.0), ("minus", -1.0)):
            rows[f"bases {first + 1} to {last}\n{label}"] = [mean + sign * basis for basis in bases[first : first + ACROSS]]
    titles = [f"{number + 1} of {ACROSS}" for number in range(ACROSS)]
    draw_poses(path, [mean] * ACROSS, rows, titles, skeleton("h36m17"), grey="the mean pose")
    return movement


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = study_parser("posebench.baselines.ites_teacher.study.dictionary", __doc__)
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("-o", "--output", metavar="PNG", required=True)
    args = parser.parse_args(words)

    def command() -> None:
        distances = ", ".join(f"{distance:.3f}" for distance in draw_dictionary(args.run_folder, args.output))
        print(f"one standard deviation of each coefficient moves its joint by {distances} root-to-head lengths; wrote {args.output}")

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
