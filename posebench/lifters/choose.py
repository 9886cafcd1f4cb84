"""From a lifter's name on the command line to the lifter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from posebench.base.errors import PosebenchError, did_you_mean, needs
from posebench.data.clip import Dataset
from posebench.lifters import Lifter, simple_lifters
from posebench.lifters.shipped import find_model, model_names


def open_lifter(name: str, dataset: Dataset, *, threads: int = 1, device: str = "cpu") -> Lifter:
    """Open a lifter by name.

    Args:
        name: ``flat``, ``mean-pose``, a model of ``posebench models``, a run folder, a path that ends in ``.onnx``, or ``module:function``.
        dataset: the dataset to lift: ``mean-pose`` is fitted to its training split, and its skeleton is a function's default one.
        threads: CPU threads of a run or an ONNX model, whose networks are small; 0 for the choice of PyTorch or ONNX Runtime.
        device: the PyTorch device of a run; all other lifters run on the CPU.

    Raises:
        PosebenchError: there is no such lifter, or it cannot be used.

    Example:
        >>> from posebench.data import open_dataset
        >>> open_lifter("flat", open_dataset("synthetic")).info.scale
        'unknown'
    """
    return lifter_maker(name, threads=threads, device=device)(dataset)


def lifter_maker(name: str, *, threads: int = 1, device: str = "cpu", changes: Sequence[str] = ()) -> Callable[[Dataset], Lifter]:
    """:func:`open_lifter` in two steps, so that a wrong name is reported before a dataset is read.

    Args:
        name: as there.
        threads: as there.
        device: as there.
        changes: for a run folder: test-time settings, ``name=value``, in place of the run's own.

    Returns:
        A function that makes the lifter for a dataset.

    Raises:
        PosebenchError: there is no such lifter, or it cannot be used; or changes to a lifter that is not a run.
    """
    if threads < 0:
        raise PosebenchError(f"{threads} threads", "a whole number from 0", "correct --threads")
    simple = simple_lifters()
    if changes and not (Path(name) / "recipe.toml").is_file():
        raise PosebenchError(f"--set for {name or 'nothing'}", "the folder of a training run", "leave --set out, or name a run")
    if name in simple:
        return simple[name]
    path = Path(name)
    if path.suffix == ".onnx":
        from posebench.lifters.onnx.model import open_onnx

        network = open_onnx(path, threads=threads)
        return lambda _: network
    if name and (path / "recipe.toml").is_file():
        with needs(f"the trained lifter {path}", extra="baselines"):
            from posebench.lifters.run import open_run
        run: Lifter = open_run(path, device=device, threads=threads, changes=changes)
        return lambda _: run
    shipped = None if path.exists() else find_model(name)
    if shipped is not None:
        return lifter_maker(str(shipped), threads=threads, device=device)
    if ":" in name and not path.exists():
        from posebench.lifters.function import open_function

        return open_function(name)
    found = f"{name}: a folder without recipe.toml" if name and path.is_dir() else f"lifter {name!r}"
    wanted = "one of " + ", ".join([*simple, *model_names()]) + ", the folder of a training run, model.onnx, or module:function"
    advice = "posebench predict flat --dataset cmu --root DIR -o p.npz, or see docs/lifters.md for your own lifter"
    is_path = any(sign in name for sign in "/\\.:")
    raise PosebenchError(found, wanted, advice if is_path else did_you_mean(name, simple, advice))
