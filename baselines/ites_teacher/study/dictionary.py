"""A picture of a finished run's pose dictionary: the mean pose, and each basis added to it and taken from it.

    python -m posebench.baselines.ites_teacher.study.dictionary RUN -o dictionary.png

**What is drawn.** The mean is the canonical pose at the mean weights that ``synthetic``'s first test clips get. Each basis is varied,
other weights kept, until the joint that it moves most has moved by :data:`MOVED` root-to-head lengths. Grey is the mean; two views, from
the front of the canonical frame and from its side. Bases stand in the order of how far they move the joints on these clips, the first one
the furthest; how far that is, by one standard deviation of the weight, is printed.
"""

from __future__ import annotations

import argparse
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
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import open_run
from posebench.networks.samples import image_coordinates

from ..method import Teacher

#: Clips, and every so many frames of them, on which weights are taken.
CLIPS, STEP = 24, 10
#: How far the joint that moves most is moved in the picture, in mean root-to-head lengths.
MOVED = 0.4
#: Bases in a row of the picture.
ACROSS = 4


def varied(run: str | Path) -> tuple[Array, Array]:
    """The mean canonical pose (J, 3), and each basis times its weight's deviation (B, J, 3), the one that moves most first.

    Raises:
        PosebenchError: no finished run, or one of another method.
    """
    lifter = open_run(run)
    trained = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    if not isinstance(trained.method, Teacher):
        raise PosebenchError(f"{run}: a run of {trained.info.id}", "one of ites_teacher", "posebench train ites_teacher ...")
    network, dataset = trained.method.lifter, open_dataset("synthetic")
    if dataset.skeleton != trained.skeleton:
        raise PosebenchError(
            f"{run}: a run on {trained.skeleton}", f"one on {dataset.skeleton}, for its weights are taken on synthetic", "choose it"
        )
    points = []
    for id in dataset.clip_ids("test")[:CLIPS]:
        clip = dataset.load(id)
        assert clip.camera is not None
        points.append(image_coordinates(clip.keypoints("gt")[::STEP], clip.camera).astype(np.float32))
    with torch.inference_mode():
        seen = network.camera(torch.from_numpy(np.concatenate(points)))
        told = network.tell(seen.image, seen.down)
        mean = network.dictionary(told.weights.mean(dim=0)).unflatten(0, (-1, 3))
        bases = network.dictionary.weight.T.unflatten(1, (-1, 3)) * told.weights.std(dim=0)[:, None, None]
        bases = bases - bases[:, :1]  # as they are drawn: about the root
        order = bases.norm(dim=(1, 2)).argsort(descending=True)
    return (mean - mean[:1]).double().numpy(), bases[order].double().numpy()


def draw_dictionary(run: str | Path, path: str | Path) -> Array:
    """Draw it: rows of mean plus and mean minus, :data:`ACROSS` bases in each. Returns how far each basis moves its joint on the clips."""
    mean, bases = varied(run)
    reach: Array = np.linalg.norm(bases, axis=-1).max(axis=1)
    bases = bases * (MOVED / np.maximum(reach, 1e-12))[:, None, None]
    # The last row is filled with the mean itself.
    padding = -len(bases) % ACROSS
    bases = np.concatenate([bases, np.zeros((padding, *mean.shape))])
    rows = {}
    for first in range(0, len(bases), ACROSS):
        for word, sign in (("plus", 1.0), ("minus", -1.0)):
            last = min(first + ACROSS, len(bases) - padding)
            rows[f"bases {first + 1} to {last}\n{word}"] = [mean + sign * basis for basis in bases[first : first + ACROSS]]
    titles = [f"{number + 1} of {ACROSS}" for number in range(ACROSS)]
    draw_poses(path, [mean] * ACROSS, rows, titles, skeleton("h36m17"), grey="the mean pose")
    return reach


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m posebench.baselines.ites_teacher.study.dictionary", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("-o", "--output", metavar="PNG", required=True)
    args = parser.parse_args(words)
    try:
        reach = draw_dictionary(args.run_folder, args.output)
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    told = ", ".join(f"{number:.3f}" for number in reach)
    print(f"one deviation of each weight moves its joint by {told} root-to-head lengths; wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
