"""Small copies of MPI-INF-3DHP: the golden test sequences, and both layouts written from generated motion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.data.mpi_inf_3dhp.dataset import open_3dhp
from posebench.data.mpi_inf_3dhp.export import LAYOUTS
from posebench.data.mpi_inf_3dhp.official import CAMERAS


@pytest.fixture(scope="session")
def golden():
    """Folder of six short test sequences in the form of the release, and of their content."""
    return Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def originals(synthetic):
    """Clip id in an export to the synthetic clip that was written there, by the rules that `export.py` states."""
    found = {}
    infos = [synthetic.infos[id] for id in synthetic.clip_ids("train")]
    for n, subject in enumerate(dict.fromkeys(info.subject for info in infos), 1):
        takes = list(dict.fromkeys(info.take for info in infos if info.subject == subject))[:2]
        for k, take in enumerate(takes, 1):
            ids = [info.id for info in infos if info.take == take]
            found |= {f"S{n}/Seq{k}/{camera}": id for camera, id in zip(CAMERAS, ids, strict=False)}
    tests = list(dict.fromkeys(synthetic.infos[id].take for id in synthetic.clip_ids("test")))
    return found | {f"TS{n + 1}/TS{n + 1}/0": f"{tests[10 * n]}/c{n % 4}" for n in range(6)}


@pytest.fixture(scope="session")
def written(synthetic, tmp_path_factory):
    """Folders of both layouts; not to be changed."""
    folders = {}
    for layout, export in LAYOUTS.items():
        folders[layout] = tmp_path_factory.mktemp(layout)
        export(synthetic, folders[layout])
    return folders


@pytest.fixture
def release(golden, tmp_path):
    """A copy of the golden test sequences, to be damaged."""
    return Path(shutil.copytree(golden / "threedhp_like", tmp_path / "3dhp"))


@pytest.fixture(scope="session")
def refusal():
    """The message with which opening a folder, or reading one of its clips, is refused."""

    def read_all(root, **options):
        for clip in open_3dhp(root, **options).clips():
            assert clip.pose.shape == (clip.info.frames, 17, 3)

    def refusal(root, **options):
        with pytest.raises(PosebenchError) as error:
            read_all(root, **options)
        assert error.value.exit_code == 2
        return str(error.value)

    return refusal
