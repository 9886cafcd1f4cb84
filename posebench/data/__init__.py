"""From dataset files to clips: one folder a dataset, all listed in ``registry.py``.

Imports ``base`` and ``metrics``.
Start with ``clip.py`` (what a dataset and a clip are), then ``cmu/dataset.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.data.registry import DATASETS, DatasetSpec, OpenRequest, registered

if TYPE_CHECKING:
    # Not at run time: the command line reads DATASETS for its help, without numpy.
    from posebench.data.clip import Dataset

__all__ = ["DATASETS", "DatasetSpec", "open_dataset"]


def open_dataset(
    name: str,
    root: str | PathLike[str] | None = None,
    *,
    annotation: str | None = None,
    cameras: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Open a dataset by name.

    Args:
        name: one of :data:`DATASETS`; ``own-`` and an id stands for ``own``, and the folder's card has to have that id.
        root: the folder of its files.
        annotation: which annotation is the truth, for a dataset that has several.
        cameras: the file that holds the cameras, if the folder has none (Human3.6M).
        progress: called with (files read, files in all) while files are parsed.

    Raises:
        PosebenchError: no such dataset, no root although one is needed, or files that cannot be used.
    """
    if not isinstance(name, str):
        raise PosebenchError(f"a {type(name).__name__} where a dataset's name belongs", f"one of {', '.join(DATASETS)}", "give the name")
    stated = name
    name = registered(stated)
    if name not in DATASETS:
        raise PosebenchError(f"dataset {name!r}", f"one of {', '.join(DATASETS)}", did_you_mean(name, DATASETS, "posebench data list"))
    spec = DATASETS[name]
    if annotation is not None and "annotation" not in spec.options:
        raise PosebenchError(
            f"annotation {annotation!r} for dataset {name}", "none: it has a single one", "drop `annotation` from the protocol"
        )
    if cameras is not None and "cameras" not in spec.options:
        raise PosebenchError(f"cameras {cameras} for dataset {name}", "none: its own files hold them", "drop --cameras")
    if spec.needs_root and root is None:
        raise PosebenchError(f"no folder for dataset {name}", "--root DIR", f"to obtain it: {spec.obtain}")
    if not spec.needs_root and root is not None:
        raise PosebenchError(f"a folder for dataset {name}: {root}", "none, since it is generated", "drop --root")
    dataset = spec.open(OpenRequest(Path(root or ""), annotation, cameras, progress))
    if stated not in (name, dataset.name):
        raise PosebenchError(f"{root}, which holds {dataset.name}", f"the folder of {stated}", "correct --root, or the dataset's name")
    return dataset
