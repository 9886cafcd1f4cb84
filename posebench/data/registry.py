"""The datasets by name: one record each, and the only place that lists them.

Imports no numpy, so that the command line can name datasets and layouts in its help; readers and writers are imported by the functions
that a record holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Protocol

    from posebench.data.clip import Dataset

    Progress = Callable[[int, int], None]

    class Writer(Protocol):
        """Writes a dataset in a layout of another one, to a new or empty folder."""

        def __call__(self, dataset: Dataset, folder: Path, progress: Progress | None = None, /) -> None:
            """``progress`` is called with (done, total)."""


class OpenRequest(NamedTuple):
    """The arguments of :func:`posebench.data.open_dataset`, as each dataset's reader gets them.

    Attributes:
        root: the folder of its files; the empty path for a dataset that needs none.
        annotation: which annotation is the truth, for a dataset that has several.
        cameras: the file that holds the cameras, for a dataset that may come without.
        progress: called with (files read, files in all) while files are parsed.
    """

    root: Path
    annotation: str | None = None
    cameras: str | PathLike[str] | None = None
    progress: Callable[[int, int], None] | None = None


class CameraFacts(NamedTuple):
    """What the tuned recipes know of the cameras of a training split.

    Attributes:
        tilt: degrees by which they look down, mean over frames.
        distance: from the root, in mean lengths from root to head.
    """

    tilt: float
    distance: float


# A named tuple, since importing `dataclasses` would double the cost of this module on every `--help`.
class DatasetSpec(NamedTuple):
    """What is known of a dataset before any of its files is opened.

    Attributes:
        description: size and kind, for ``posebench data list``.
        licence: terms of its owners.
        obtain: how to get the files: a command, or where it is described.
        protocol: id of the protocol that a training on this dataset is scored under; empty where each copy comes with its own.
        tuning_subject: training subject, or split for validation, that replaces the test split while a recipe is tuned.
        open: reads the dataset.
        needs_root: False for a dataset that is generated.
        options: which of ``annotation`` and ``cameras`` its reader takes.
        protocols_by_subject: test subject to protocol id, for copies whose test split is another one than that of the usual protocol.
        protocols_by_fps: frames per second to protocol id, for copies that hold a subset of the frames.
        fetch: downloads the files to a folder and returns the folder to open; None where the owners' terms forbid it.
        fetched: name of that folder where none is given.
        acknowledgement: text that the owners ask users to print.
        details: facts for ``posebench data info`` in addition to :func:`posebench.data.clip.describe`.
        layouts: names of this dataset's layouts that other datasets can be exported to.
        writers: returns the writer of each of these layouts.
        camera_facts: those that the tuned recipes state; None where they are measured on the training split.
    """

    description: str
    licence: str
    obtain: str
    protocol: str
    tuning_subject: str
    open: Callable[[OpenRequest], Dataset]
    needs_root: bool = True
    options: tuple[str, ...] = ()
    protocols_by_fps: Mapping[float, str] = {}
    protocols_by_subject: Mapping[str, str] = {}
    fetch: Callable[[str | PathLike[str]], Path] | None = None
    fetched: str = ""
    acknowledgement: str = ""
    details: Callable[[Dataset], dict[str, object]] | None = None
    layouts: tuple[str, ...] = ()
    writers: Callable[[], Mapping[str, Writer]] | None = None
    camera_facts: CameraFacts | None = None

    def protocol_for(self, dataset: Dataset) -> str:
        """The protocol that a training on this opened copy is scored under: its id, or its file where the copy comes with one.

        Raises:
            PosebenchError: the copy comes without the protocol that it should come with.
        """
        if not self.protocol:
            if dataset.protocol:
                return dataset.protocol
            from posebench.base.errors import PosebenchError

            raise PosebenchError(
                f"{dataset.name} without protocol.toml beside its card",
                "the protocol that its results are scored under",
                "posebench data new writes one; or name a file with --protocol",
            )
        for subject, protocol in self.protocols_by_subject.items():
            if subject in dataset.splits["test"]:
                return protocol
        return self.protocols_by_fps.get(dataset.fps, self.protocol)


def _open_cmu(request: OpenRequest) -> Dataset:
    from posebench.data.cmu.dataset import open_cmu

    return open_cmu(request.root, request.progress)


def _fetch_cmu(destination: str | PathLike[str]) -> Path:
    from posebench.base.progress import silent
    from posebench.data.cmu.fetch import fetch_cmu

    return fetch_cmu(destination, progress=not silent())


def _open_h36m(request: OpenRequest) -> Dataset:
    from posebench.data.h36m.dataset import open_h36m

    return open_h36m(request.root, cameras=request.cameras, progress=request.progress)


def _details_of_h36m(dataset: Dataset) -> dict[str, object]:
    from posebench.data.h36m.dataset import details

    return details(dataset)


def _open_3dhp(request: OpenRequest) -> Dataset:
    from posebench.data.mpi_inf_3dhp.dataset import open_3dhp

    return open_3dhp(request.root, annotation=request.annotation, progress=request.progress)


def _open_aspset(request: OpenRequest) -> Dataset:
    from posebench.data.aspset.dataset import open_aspset

    return open_aspset(request.root, request.progress)


def _fetch_aspset(destination: str | PathLike[str]) -> Path:
    from posebench.base.progress import silent
    from posebench.data.aspset.fetch import fetch_aspset

    return fetch_aspset(destination, progress=not silent())


def _open_humaneva(request: OpenRequest) -> Dataset:
    from posebench.data.humaneva.dataset import open_humaneva

    return open_humaneva(request.root, request.progress)


def _open_3dpw(request: OpenRequest) -> Dataset:
    from posebench.data.threedpw.dataset import open_3dpw

    return open_3dpw(request.root, annotation=request.annotation, progress=request.progress)


def _open_aist(request: OpenRequest) -> Dataset:
    from posebench.data.aist.dataset import open_aist

    return open_aist(request.root, request.progress)


def _open_h3wb(request: OpenRequest) -> Dataset:
    from posebench.data.h3wb.dataset import open_h3wb

    return open_h3wb(request.root, request.progress)


def _writers_of(folder: str) -> Callable[[], Mapping[str, Writer]]:
    """The layouts that a dataset's ``export.py`` writes, by the name of its folder."""

    def writers() -> Mapping[str, Writer]:
        from importlib import import_module

        layouts: Mapping[str, Writer] = import_module(f"posebench.data.{folder}.export").LAYOUTS
        return layouts

    return writers


def _open_own(request: OpenRequest) -> Dataset:
    from posebench.data.own.dataset import open_own

    return open_own(request.root, request.progress)


def _open_synthetic(request: OpenRequest) -> Dataset:  # noqa: ARG001 - every reader takes the request
    from posebench.data.synthetic.dataset import open_synthetic

    return open_synthetic()


#: Datasets of this name are the user's own: ``own-`` and the id on the card.
OWN = "own"
#: Every dataset by name, in the order of ``posebench data list``.
DATASETS: Mapping[str, DatasetSpec] = {
    "cmu": DatasetSpec(
        description="157 takes of real motion capture (12 subjects) under four simulated cameras each, 30 Hz, 17 joints",
        licence="CMU Graphics Lab: free for all uses, not to be resold; an acknowledgement is asked for",
        obtain="posebench data fetch cmu",
        protocol="cmu",
        tuning_subject="S131",
        open=_open_cmu,
        fetch=_fetch_cmu,
        fetched="cmu-mocap",
        acknowledgement=(
            "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217."
        ),
        camera_facts=CameraFacts(tilt=6.2, distance=8.4),
    ),
    "h36m": DatasetSpec(
        description="Human3.6M from your own copy (7 subjects, 15 actions, four cameras, 17 joints, 50 Hz), in any of its usual layouts",
        licence="Human3.6M: registration, academic use only, no redistribution",
        obtain="register at the dataset's site; docs/h36m.md lists the layouts and camera files",
        protocol="h36m/s9s11",
        tuning_subject="S8",
        open=_open_h36m,
        options=("cameras",),
        protocols_by_fps={10.0: "h36m/s9s11-10fps", 50.0 / 64.0: "h36m/s9s11-every64"},
        details=_details_of_h36m,
        layouts=("videopose3d", "h36m-cdf", "mmpose", "martinez", "h36m-fetch"),
        writers=_writers_of("h36m"),
    ),
    "3dhp": DatasetSpec(
        description=(
            "MPI-INF-3DHP: 16 training recordings (8 subjects) under eight cameras each, six test sequences, 17 joints; from your own copy"
        ),
        licence="its owners': non-commercial research, and not to be redistributed; read their terms",
        obtain="see docs/3dhp.md: the owners' script, after a statement of non-commercial research use",
        protocol="3dhp/official",
        tuning_subject="S8",
        open=_open_3dhp,
        options=("annotation",),
        layouts=("3dhp", "p-stmo"),
        writers=_writers_of("mpi_inf_3dhp"),
    ),
    "aspset": DatasetSpec(
        description=(
            "ASPset-510: 510 clips of sport outdoors, 17 subjects, three real cameras, 17 joints, 50 Hz (reader tested on generated"
            " files only)"
        ),
        licence="CC0: free for all uses, and may be redistributed",
        obtain="posebench data fetch aspset -o aspset",
        protocol="aspset/test10",
        tuning_subject="val",
        open=_open_aspset,
        fetch=_fetch_aspset,
        fetched="aspset",
        layouts=("aspset",),
        writers=_writers_of("aspset"),
    ),
    "humaneva": DatasetSpec(
        description=(
            "HumanEva-I in VideoPose3D's archives: three subjects, three cameras, 15 joints, 60 Hz; from your own copy (reader tested on"
            " generated files only)"
        ),
        licence="its owners': registration, research use, no redistribution; read their terms",
        obtain="register at the dataset's site, then VideoPose3D's data/prepare_data_humaneva.py; docs/datasets.md",
        protocol="humaneva",
        tuning_subject="Train-S3",
        open=_open_humaneva,
        layouts=("humaneva",),
        writers=_writers_of("humaneva"),
    ),
    "3dpw": DatasetSpec(
        description=(
            "3DPW: 60 sequences outdoors by one moving camera, 24 joints of SMPL, 30 Hz, detections; from your own copy (reader tested on"
            " generated files only)"
        ),
        licence="its owners': non-commercial research, no redistribution (not checked); read their terms",
        obtain="sequenceFiles.zip of the dataset's site; docs/datasets.md",
        protocol="3dpw/smpl24",
        tuning_subject="validation",
        open=_open_3dpw,
        options=("annotation",),
        layouts=("3dpw",),
        writers=_writers_of("threedpw"),
    ),
    "h3wb": DatasetSpec(
        description=(
            "Human3.6M 3D WholeBody: single frames of 133 joints with face, hands and feet, four cameras; from your own copy (reader tested"
            " on generated files only)"
        ),
        licence="annotations MIT, but made from Human3.6M, whose terms hold: academic use, no redistribution",
        obtain="links in the H3WB repository; docs/datasets.md",
        protocol="h3wb/task1",
        tuning_subject="S6",
        open=_open_h3wb,
        protocols_by_subject={"S7": "h3wb/s7"},
        layouts=("h3wb",),
        writers=_writers_of("h3wb"),
    ),
    "aist": DatasetSpec(
        description=(
            "AIST++: dance by 30 dancers, five of nine real cameras, 17 joints of COCO triangulated from detections, 60 Hz; from your own"
            " copy (reader tested on generated files only)"
        ),
        licence="annotations CC BY 4.0; the videos are their owners'",
        obtain="the annotations from the site of AIST++ (no videos needed); docs/datasets.md",
        protocol="aist/test",
        tuning_subject="val",
        open=_open_aist,
        layouts=("aist",),
        writers=_writers_of("aist"),
    ),
    "own": DatasetSpec(
        description="a folder of your own motion capture (npz, h5, BVH, C3D, TRC, CSV) with a card that states what it is",
        licence="as its card says",
        obtain="posebench data new DIR --from FILES; docs/own.md",
        protocol="",
        tuning_subject="val",
        open=_open_own,
    ),
    "synthetic": DatasetSpec(
        description=(
            "210 generated takes (7 subjects, 15 actions) under four simulated cameras each, 50 Hz, 17 joints; statistics measured on cmu"
        ),
        licence="as posebench; CMU Graphics Lab asks for an acknowledgement of the measured motion",
        obtain="nothing to obtain: it is generated",
        protocol="synthetic",
        tuning_subject="S8",
        open=_open_synthetic,
        needs_root=False,
        # Those of cmu, whose cameras it imitates: results of the tuned recipes on generated motion were made with them.
        camera_facts=CameraFacts(tilt=6.2, distance=8.4),
    ),
}


def registered(name: str) -> str:
    """The name in :data:`DATASETS` of a dataset that results call ``name``: ``own`` for ``own-mine``.

    Example:
        >>> registered("own-mine"), registered("cmu")
        ('own', 'cmu')
    """
    return OWN if name.startswith(f"{OWN}-") else name


def needs_root(name: str) -> bool:
    """Whether a dataset is opened from a folder; assumed for a name that is not in :data:`DATASETS`.

    Example:
        >>> needs_root("cmu"), needs_root("synthetic"), needs_root("in-house")
        (True, False, True)
    """
    return name not in DATASETS or DATASETS[name].needs_root


def layout_names() -> list[str]:
    """Names of the layouts that a dataset can be written in."""
    return [layout for spec in DATASETS.values() for layout in spec.layouts]


def export_layouts() -> dict[str, Writer]:
    """The writer of each layout in :func:`layout_names`; it takes the dataset and an empty or new folder."""
    return {layout: write for spec in DATASETS.values() if spec.writers for layout, write in spec.writers().items()}
