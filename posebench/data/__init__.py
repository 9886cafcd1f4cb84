"""From dataset files to clips: one folder a dataset.

Imports ``base`` and ``metrics``.
Start with ``clip.py`` (what a dataset and a clip are), then ``cmu/dataset.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.data.clip import Clip, ClipInfo, Dataset, describe

__all__ = ["DATASETS", "Clip", "ClipInfo", "Dataset", "Source", "describe", "open_dataset"]


@dataclass(frozen=True)
class Source:
    """What ``posebench data list`` says of a dataset."""

    description: str
    licence: str
    obtain: str


DATASETS = {
    "cmu": Source(
        "157 takes of real motion capture (12 subjects) under four simulated cameras each, 30 Hz, 17 joints",
        "CMU Graphics Lab: free for all uses, not to be resold; an acknowledgement is asked for",
        "posebench data fetch cmu",
    ),
    "h36m": Source(
        "Human3.6M from your own copy (7 subjects, 15 actions, four cameras, 17 joints, 50 Hz), in any of its usual layouts",
        "Human3.6M: registration, academic use only, no redistribution",
        "register at the dataset's site; docs/h36m.md lists the layouts and camera files",
    ),
    "3dhp": Source(
        "MPI-INF-3DHP: 16 training recordings (8 subjects) under eight cameras each, six test sequences, 17 joints; from your own copy",
        "its owners': non-commercial research, and not to be redistributed; read their terms",
        "see docs/3dhp.md: the owners' script, after a statement of non-commercial research use",
    ),
    "synthetic": Source(
        "210 generated takes (7 subjects, 15 actions) under four simulated cameras each, 50 Hz, 17 joints; statistics measured on cmu",
        "as posebench; CMU Graphics Lab asks for an acknowledgement of the measured motion",
        "nothing to obtain: it is generated",
    ),
}


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
        name: one of :data:`DATASETS`.
        root: the folder of its files.
        annotation: which annotation is the truth, for a dataset that has several.
        cameras: the file that holds the cameras, where the folder has none (Human3.6M).
        progress: called with (files read, files in all) where files have to be parsed.

    Raises:
        PosebenchError: no such dataset, no root where one is needed, or files that cannot be used.
    """
    if name not in DATASETS:
        raise PosebenchError(f"dataset {name!r}", f"one of {', '.join(DATASETS)}", "posebench data list")
    if annotation is not None and name != "3dhp":
        raise PosebenchError(
            f"annotation {annotation!r} for dataset {name}", "none: it has a single one", "drop `annotation` from the protocol"
        )
    if cameras is not None and name != "h36m":
        raise PosebenchError(f"cameras {cameras} for dataset {name}", "none: its own files hold them", "drop --cameras")
    if name == "synthetic":
        if root is not None:
            raise PosebenchError(f"a folder for dataset {name}: {root}", "none, since it is generated", "drop --root")
        from posebench.data.synthetic.dataset import open_synthetic

        return open_synthetic()
    if root is None:
        raise PosebenchError(f"no folder for dataset {name}", "--root DIR", f"to obtain it: {DATASETS[name].obtain}")
    if name == "h36m":
        from posebench.data.h36m.dataset import open_h36m

        return open_h36m(root, cameras=cameras, progress=progress)
    if name == "3dhp":
        from posebench.data.mpi_inf_3dhp.dataset import open_3dhp

        return open_3dhp(root, annotation=annotation, progress=progress)
    from posebench.data.cmu.dataset import open_cmu

    return open_cmu(root, progress)


def facts(dataset: Dataset) -> dict[str, object]:
    """What ``posebench data info`` shows of an opened dataset: JSON values, a line each."""
    if dataset.name != "h36m":
        return describe(dataset)
    from posebench.data.h36m.dataset import details

    return describe(dataset) | details(dataset)


def export_layouts() -> dict[str, Callable[[Dataset, Path], None]]:
    """The layouts that a dataset can be written in, by name; each takes the dataset and an empty or new folder."""
    from posebench.data.h36m import export as export_h36m
    from posebench.data.mpi_inf_3dhp import export as export_3dhp

    return {**export_h36m.LAYOUTS, **export_3dhp.LAYOUTS}
