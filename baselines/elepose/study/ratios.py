"""The bone ratios of the recipe: ``python -m posebench.baselines.elepose.study.ratios --root DIR``.

Prints the length of each bone, divided by the mean over the bones of its pose, as the mean over the true poses of ``cmu``'s training split
without its tuning subject.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from posebench.base.skeletons import skeleton
from posebench.data import open_dataset

from ..losses import relative_lengths

#: Left out, as recipes are tried on it.
SUBJECT = "S131"


def main() -> None:
    """Print the ratios in the order of the bones."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--root", required=True, help="folder of cmu")
    dataset = open_dataset("cmu", parser.parse_args().root)
    bones = skeleton(dataset.skeleton).bones
    ids = [id for id in dataset.clip_ids("train") if not id.startswith(f"{SUBJECT}/")]
    ratios = np.concatenate([relative_lengths(torch.from_numpy(dataset.load(id).pose), bones).numpy() for id in ids])
    print([round(float(ratio), 4) for ratio in ratios.mean(axis=0)])


if __name__ == "__main__":
    main()
