"""A training job: all that a run needs to be trained and finished, in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posebench.data.clip import Dataset
from posebench.networks.recipe import Recipe
from posebench.networks.settings import Settings

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained, on which data, and where.

    Attributes:
        recipe: everything that the weights depend on.
        settings: the recipe's settings, checked.
        supervision: the 3D that the training sees.
        dataset: with its training and test split.
        folder: of the run.
        teacher: folder of a named teacher's run; None if there is none, or if it is trained first.
        resume: continue from the folder's checkpoint, if it has one.
        device: a torch device.
        threads: CPU threads of PyTorch; 0 for its own choice.
        save_every_s: seconds between checkpoints.
        progress: called with (steps done, steps in all).
        log: called with a line of text now and then.
    """

    recipe: Recipe
    settings: Settings
    supervision: str
    dataset: Dataset
    folder: Path
    teacher: Path | None = None
    resume: bool = False
    device: str = "cpu"
    threads: int = 1
    save_every_s: float = 60.0
    progress: Progress | None = None
    log: Callable[[str], None] = lambda _: None
