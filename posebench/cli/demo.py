"""The demo: the main job from end to end on the embedded dataset, every step a command, written into one folder."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy.typing as npt
from tabulate import tabulate

from posebench.base.errors import install_command
from posebench.base.files import write_text
from posebench.base.skeletons import skeleton
from posebench.cli.demo_page import page
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.checks import check
from posebench.scoring.result import Result, load_result

PROTOCOL = "synthetic"
#: Test poses of the embedded dataset.
POSES = 60_064


@dataclass(frozen=True)
class Row:
    """A line of the demo's table: a lifter, and what its number means."""

    method: str
    meaning: str


TRAINED = Row("martinez", "a network trained for seconds on pairs of 2D and 3D poses: it has learnt depth")
UNTRAINED = (
    Row("flat", "every joint at the depth of the root: a lifter that does not beat it has learnt no depth"),
    Row("mean-pose", "the same mean pose for every image: it does not look at its input"),
)


def run_demo(folder: Path) -> int:
    """Predict, train where PyTorch is installed, check, score, compare, rank and draw; everything is written below ``folder``.

    Each step is printed as the command that it is, with ``folder`` as the only output folder. Run twice, it gives the same numbers.

    Returns:
        The exit code: 0, or that of the command that failed.
    """
    started = time.perf_counter()
    torch = find_spec("torch") is not None
    print(
        f"Lift, check, score and rank on generated motion ({POSES:,} test poses of 2 subjects, 4 cameras; not real data).\n"
        f"It takes about {'a minute' if torch else 'half a minute'} and writes only to {folder}/. Each step is a command:\n",
        flush=True,
    )
    runner = _Runner()
    try:
        results = _make_results(folder, runner, torch=torch)
        runner(["compare", *(str(path) for path in results.values())])
        board = folder / "board"
        runner(["board", "add", *(str(path) for path in results.values()), "--board", str(board)])
        runner(["board", "render", "--board", str(board)])
        picture = folder / "poses.png"
        predictions = [str(_predictions_of(path)) for path in results.values()]
        runner(["draw", *predictions, "--dataset", PROTOCOL, "--count", "3", "-o", str(picture)])
    except CommandError as failed:
        return failed.code
    rows = [row for row in (TRAINED, *UNTRAINED) if row.method in results]
    table = _table(rows, {name: load_result(path) for name, path in results.items()})
    print(
        "\n" + tabulate(table[1:], headers=table[0], tablefmt="simple", disable_numparse=True, colalign=("left", "right", "right", "left"))
    )
    print("\nPA-MPJPE: mean error of a joint after rotation, translation and scale are aligned; lower is better.")
    print("[ ]: 95 % interval over takes.")
    if not torch:
        print(f"Without PyTorch no baseline is trained. To add one: {install_command('baselines')}, then posebench demo.")
    index = folder / "index.html"
    write_text(index, page(table, runner.commands, runner.finding, picture))
    print(f"Done in {time.perf_counter() - started:.0f} s. Open {index}", flush=True)
    return 0


class CommandError(Exception):
    """A command of the demo failed, and has printed its error."""

    def __init__(self, code: int) -> None:
        self.code = code


class _Runner:
    """Runs commands in this process, prints each of them, and keeps its output from the terminal."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.finding = ""

    def show(self, words: Sequence[str]) -> None:
        """Print a command."""
        self.commands.append(shlex.join(["posebench", *words]))
        print(f"$ {self.commands[-1]}", flush=True)

    def __call__(self, words: Sequence[str]) -> None:
        """Print a command and run it."""
        from posebench.cli.main import main

        self.show(words)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = main(words)
        if code:
            raise CommandError(code)


def _make_results(folder: Path, run: _Runner, *, torch: bool) -> dict[str, Path]:
    """Write predictions, check a file with a mistake, score the others. Returns method to result file, in the order of the table."""
    results: dict[str, Path] = {}
    if torch:
        shutil.rmtree(folder / TRAINED.method, ignore_errors=True)  # of an earlier demo
        run(["train", TRAINED.method, "--dataset", PROTOCOL, "--preset", "smoke", "-o", str(folder / TRAINED.method)])
        results[TRAINED.method] = folder / TRAINED.method / "result.json"
    for row in UNTRAINED:
        run(["predict", row.method, "--dataset", PROTOCOL, "-o", str(folder / f"{row.method}.npz")])
    swapped = folder / "swapped.npz"
    _write_swapped(folder / "flat.npz", swapped)
    run.show(["check", str(swapped), "--protocol", PROTOCOL])
    error = next(finding for finding in check(swapped, PROTOCOL) if finding.severity == "error")
    run.finding = error.message
    print(f"  swapped.npz is flat.npz with left and right swapped. Found: {error.message}", flush=True)
    for row in UNTRAINED:
        results[row.method] = folder / f"{row.method}.json"
        run(["score", str(folder / f"{row.method}.npz"), "--protocol", PROTOCOL, "-o", str(results[row.method])])
    return results


def _predictions_of(result: Path) -> Path:
    return result.with_name("predictions.npz") if result.name == "result.json" else result.with_suffix(".npz")


def _write_swapped(source: Path, target: Path) -> None:
    """``source`` with left and right exchanged: a mistake of many files, which no score alone shows."""
    with open_predictions(source) as file:
        order = list(skeleton(file.meta.skeleton).mirror)

        def poses() -> Iterator[tuple[str, npt.ArrayLike]]:
            for clip in file.shapes:
                yield clip, file.poses(clip)[..., order, :]

        meta = file.meta
        save_predictions(target, poses(), skeleton=meta.skeleton, unit=meta.unit, scale=meta.scale, method="swapped", keypoints="gt")


def _table(rows: Sequence[Row], results: dict[str, Result]) -> list[list[str]]:
    """Head and lines, best first."""
    ordered = sorted(rows, key=lambda row: results[row.method].value("PA-MPJPE") or 0.0)
    lines = [["method", "PA-MPJPE [mm]", "N-MPJPE [mm]", "what it is"]]
    for row in ordered:
        cells = []
        for name in ("PA-MPJPE", "N-MPJPE"):
            metric = results[row.method].metrics[name]
            cells.append(f"{metric.value:.1f} [{metric.low:.1f}, {metric.high:.1f}]")
        lines.append([row.method, *cells, row.meaning])
    return lines
