"""Targets of reproduction: the types of ``leaderboard/reproduce.toml``, the commands that lead to a target, and its cost.

**Convention.** A target is one row of ``published.toml`` with the training and the test that come nearest to it. In its commands the words
``H36M`` and ``3DHP`` stand for the folders of the user's copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posebench.board.published.types import Paper, Row, Value
from posebench.data.registry import DATASETS

#: Preset of every command.
PRESET = "full"
#: Dataset -> the word that stands for its folder in a command.
ROOTS = {"h36m": "H36M", "3dhp": "3DHP"}


@dataclass(frozen=True)
class Expected:
    """One number of a target.

    Attributes:
        published: the number of the paper's row, with its tag.
        metric: name of the same number in a result.
        average: average in a result: ``action``, ``frame`` or ``take``.
        tolerance: largest difference that counts as reproduced, in the number's unit.
    """

    published: Value
    metric: str
    average: str
    tolerance: float


@dataclass(frozen=True)
class Target:
    """A published row and the way to it.

    Attributes:
        id: name of the target.
        row: the published row.
        method, recipe: what is trained.
        trained_on: dataset of the training.
        trained_keypoints: 2D source of the training.
        tested_on: dataset of the test.
        keypoints: 2D source of the test.
        protocol: id of the protocol.
        seeds: how many seeds to train; the one of median value is held against the paper.
        expected: the numbers.
        because: where the tolerances come from.
        differs: what stays different from the paper, even with the command as printed.
        comparable: whether the number can be reproduced at all; if not, ``differs`` says why, and no result is judged.
        steps: steps of the training on the official copy, with those of a teacher that is trained first.
        poses: training poses that the method sees on the official copy, each time counted; without its teacher's.
        cpu_ms: of one step on one CPU core, as measured; mean over ``steps``.
    """

    id: str
    row: Row
    method: str
    recipe: str
    trained_on: str
    trained_keypoints: str
    tested_on: str
    keypoints: str
    protocol: str
    seeds: int
    expected: tuple[Expected, ...]
    because: str
    differs: tuple[str, ...]
    comparable: bool
    steps: int
    poses: int
    cpu_ms: float

    @property
    def run(self) -> str:
        """The run folder of its first seed. Targets with one training share it."""
        return f"runs/{self.method}+{self.recipe}-{self.trained_on}-{self.trained_keypoints}-s0"

    @property
    def result(self) -> str:
        """What ``posebench reproduce check`` is given: the run, or the result of another test or protocol."""
        if self.tests_itself and self.protocol == DATASETS[self.trained_on].protocol:
            return self.run
        return f"{self.run}/{self.protocol.replace('/', '-')}-{self.keypoints}.json"

    @property
    def tests_itself(self) -> bool:
        """Whether the training's own predictions are the target's."""
        return (self.trained_on, self.trained_keypoints) == (self.tested_on, self.keypoints)

    @property
    def commands(self) -> list[list[str]]:
        """Arguments of ``posebench``, from the training of the first seed to the check."""
        where = ["--dataset", self.trained_on, "--root", ROOTS[self.trained_on], "--keypoints", self.trained_keypoints]
        train = ["train", self.method, "--recipe", self.recipe, "--preset", PRESET, *where]
        commands = [[*train, "--seed", "0", "--device", "cuda", "-o", self.run]]
        root, poses = ["--root", ROOTS[self.tested_on]], f"{self.run}/predictions.npz"
        if not self.tests_itself:
            poses = self.result.removesuffix(".json") + ".npz"
            commands.append(["predict", self.run, "--dataset", self.tested_on, *root, "--keypoints", self.keypoints, "-o", poses])
        if self.result != self.run:
            commands.append(["score", poses, "--protocol", self.protocol, *root, "-o", self.result])
        return [*commands, ["reproduce", "check", self.result, "--target", self.id]]

    @property
    def cpu_hours(self) -> float:
        """Of the training on one CPU core, extrapolated from ``cpu_ms``."""
        return self.steps * self.cpu_ms / 3.6e6


@dataclass(frozen=True)
class Gpu:
    """A speed of training on a GPU that was published: the only one known, from which the others are extrapolated.

    Attributes:
        name: of the GPU.
        target: id of the target that it was measured for.
        step_ms: time of a step of it, ms.
        source: where it was read.
    """

    name: str
    target: str
    step_ms: float
    source: str


@dataclass(frozen=True)
class Section:
    """The targets of one paper.

    Attributes:
        paper: the paper.
        text: what to know before the training.
        cannot: numbers of the paper that no command leads to, and why.
    """

    paper: Paper
    text: str
    cannot: tuple[str, ...]


@dataclass(frozen=True)
class Targets:
    """The whole file.

    Attributes:
        machine: the machine that ``cpu_ms`` were measured on, and how.
        gpu: the published speed on a GPU.
        sections: one for each paper, in the order of the file.
        targets: all targets, in the order of the file.
    """

    machine: str
    gpu: Gpu
    sections: tuple[Section, ...]
    targets: tuple[Target, ...]

    def of(self, section: Section) -> Sequence[Target]:
        """The targets of a section's paper."""
        return [target for target in self.targets if target.row.paper == section.paper.id]

    @property
    def gpu_ratio(self) -> float:
        """How many times faster than one CPU core the GPU makes a step of the target that it was measured for."""
        anchor = next(target for target in self.targets if target.id == self.gpu.target)
        return anchor.cpu_ms / self.gpu.step_ms

    def gpu_hours(self, target: Target) -> float:
        """Of the training on the GPU, if every method gained there what the measured one gains."""
        return target.cpu_hours / self.gpu_ratio

    def gpu_estimate(self, method: str, cpu_seconds: float) -> tuple[float, str] | None:
        """Seconds on the GPU of a training that takes ``cpu_seconds`` on a CPU core, and where the ratio is from.

        None for a method other than the one whose speed was published: what it gains on a GPU is not known.
        """
        anchor = next(target for target in self.targets if target.id == self.gpu.target)
        if method != anchor.method:
            return None
        source = (
            f"as a {self.gpu.name} makes a step in {self.gpu.step_ms:g} ms where one core took {anchor.cpu_ms:.3g} ms: {self.gpu.source}"
        )
        return cpu_seconds / self.gpu_ratio, source
