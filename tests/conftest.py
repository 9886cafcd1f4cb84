"""Fixtures for every test: a cache of the session, the real data if present, and factories of small data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CMU = Path(__file__).parents[1].parent / "shared" / "data" / "cmu"


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """POSEBENCH_CACHE in the session's temporary folder, one for all xdist workers; nothing is written to the user's cache."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "posebench-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def no_lines_of_progress():
    """On a busy machine a short command may take long enough for a line of progress; messages are compared without it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("posebench.base.progress.FIRST", 3600.0)
        yield


@pytest.fixture(scope="session")
def cmu_root():
    """The folder of the CMU motion capture files."""
    if not CMU.is_dir():
        pytest.skip(f"the CMU motion capture files are not at {CMU}")
    return CMU


@pytest.fixture(scope="session")
def cmu(cmu_root):
    """The opened cmu dataset."""
    from posebench.data import open_dataset

    return open_dataset("cmu", cmu_root)


@pytest.fixture(scope="session")
def synthetic():
    """The opened synthetic dataset."""
    from posebench.data import open_dataset

    return open_dataset("synthetic")


@pytest.fixture(scope="session")
def synthetic_part(synthetic):
    """A function that returns the synthetic dataset with fewer clips: those of some subjects, actions and takes.

    A take is named with its subject (``S9/Walking 1``) or for all subjects (``Walking 1``).
    """
    from dataclasses import replace

    def part(*, subjects=None, actions=None, takes=None):
        def wanted(info):
            return (
                (subjects is None or info.subject in subjects)
                and (actions is None or info.action in actions)
                and (takes is None or info.take in takes or info.take.split("/")[1] in takes)
            )

        return replace(synthetic, infos={id: info for id, info in synthetic.infos.items() if wanted(info)})

    return part


@pytest.fixture(scope="session")
def copies(synthetic_part, tmp_path_factory):
    """A folder for each layout of Human3.6M and 3DHP: generated, two takes of two actions, of one training and both test subjects."""
    from posebench.data.registry import export_layouts

    dataset = synthetic_part(subjects=("S1", "S9", "S11"), actions=("Walking", "Sitting"))
    base = tmp_path_factory.mktemp("layouts")
    for name, write in export_layouts().items():
        write(dataset, base / name)
    return base


@pytest.fixture(scope="session")
def walker():
    """A function that returns poses (T, 17, 3) mm, camera frame, of a generated person who walks and swings the arms.

    The same ``seed`` is the same take; cameras 0 to 3 are around it, looking down by 10 degrees.
    """
    import numpy as np

    from posebench.base.cameras import rotation_xyz
    from posebench.base.skeletons import skeleton

    joints = skeleton("h36m17").joints

    def poses(frames: int = 40, seed: int = 0, camera: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        phase = np.arange(frames) / 6.0 + random.uniform(0.0, 6.0)
        # Left, up and forward of the person, mm.
        place = {"pelvis": np.tile([0.0, 0.0, 0.0], (frames, 1))}

        def add(joint, parent, length, side, down, forward):
            direction = np.stack(np.broadcast_arrays(side, -np.asarray(down), forward), axis=-1) * np.ones((frames, 1))
            place[joint] = place[parent] + length * direction / np.linalg.norm(direction, axis=-1, keepdims=True)

        lean = 0.1 + 0.15 * np.sin(0.3 * phase)
        for joint, parent, length in (("spine", "pelvis", 230), ("thorax", "spine", 250), ("neck_nose", "thorax", 115)):
            add(joint, parent, length, 0.02, -1.0, lean)
        add("head_top", "neck_nose", 115, 0.0, -1.0, 0.3 + lean)
        for side, sign in (("l", 1.0), ("r", -1.0)):
            swing = 0.6 * np.sin(phase + (0.0 if side == "l" else np.pi))
            add(f"{side}_hip", "pelvis", 130, sign, 0.1, 0.0)
            add(f"{side}_knee", f"{side}_hip", 450, 0.05 * sign, 1.0, swing + 0.2)
            add(f"{side}_ankle", f"{side}_knee", 440, 0.0, 1.0, swing - 0.4)
            add(f"{side}_shoulder", "thorax", 150, sign, 0.2, 0.0)
            add(f"{side}_elbow", f"{side}_shoulder", 280, 0.25 * sign, 1.0, -0.9 * swing)
            add(f"{side}_wrist", f"{side}_elbow", 250, 0.1 * sign, 0.7, 0.6 - 0.9 * swing + 0.3 * np.sin(0.7 * phase) * (side == "r"))
        body = np.stack([place[joint] for joint in joints], axis=1)
        heading = random.uniform(0.0, 360.0) + np.linspace(0.0, 90.0, frames)
        turned = np.einsum("tab,tjb->tja", rotation_xyz(np.stack([0 * heading, heading, 0 * heading], axis=-1)), body)
        seen = turned @ rotation_xyz([0.0, 90.0 * camera, 0.0]).T @ rotation_xyz([10.0, 0.0, 0.0]).T
        return seen * [1.0, -1.0, -1.0] + [300.0 * np.cos(phase[0]), 100.0, 4500.0]

    return poses


@pytest.fixture(scope="session")
def walkers(walker):
    """A function that returns a dataset of walkers: two training subjects and one test subject, two takes each, under four cameras.

    With ``blind`` every 3D number is NaN; the 2D joints are the same.
    """
    import numpy as np

    from posebench.base.cameras import Camera, rotation_xyz
    from posebench.data.clip import Clip, ClipInfo, Dataset

    splits = {"train": ("A", "B"), "test": ("T",)}
    lens = (np.array([1100.0, 1100.0]), np.array([500.0, 500.0]), (1000, 1000))

    def dataset(*, blind: bool = False, frames: int = 60) -> Dataset:
        infos, clips = {}, {}
        for subject, name in enumerate("ABT"):
            for take in range(2):
                for number in range(4):
                    info = ClipInfo(f"{name}/walk {take}/c{number}", name, f"{name}/walk {take}", f"c{number}", "walk", frames)
                    pose = walker(frames, seed=10 * subject + take, camera=number)
                    camera = Camera(rotation_xyz([0.0, 90.0 * number, 0.0]), np.zeros(3), *lens)
                    points = camera.project(pose)
                    sources = {"gt": lambda points=points: points}
                    clips[info.id] = Clip(info, pose * np.nan if blind else pose, "h36m17", 30.0, camera, sources)
                    infos[info.id] = info
        return Dataset("walkers", "1", "h36m17", 30.0, infos, "0" * 64, True, splits, ("gt",), clips.__getitem__)

    return dataset


@pytest.fixture(scope="session")
def walker_samples(walker):
    """A function that returns training data: clips of 60 frames of a walker, each given as (take, camera); with 3D if ``poses``."""
    import numpy as np

    def samples(clips=((0, 0), (1, 1), (2, 2), (3, 3)), *, poses: bool = False):
        import torch

        from posebench.base.cameras import Camera
        from posebench.base.skeletons import skeleton
        from posebench.networks.samples import TrainingData

        truth = np.concatenate([walker(60, seed=take, camera=camera) for take, camera in clips])
        keypoints = torch.from_numpy(truth[..., :2] / truth[..., 2:]).float()
        frame = torch.arange(len(truth))
        first = frame // 60 * 60
        lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
        take = torch.tensor([take for take, _ in clips]).repeat_interleave(60)
        pose = torch.from_numpy(truth).float() if poses else None
        return TrainingData(skeleton("h36m17"), keypoints, pose, first, first + 59, frame, 30.0, lens, take=take)

    return samples


@pytest.fixture
def network(tmp_path):
    """Writes ``name.onnx`` of the given nodes, and ``name.toml``; returns the ONNX file's path."""
    pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
    pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    def write(toml, nodes, shape, out, weights=(), *, name="model", kind=TensorProto.FLOAT, outputs=("y",), domains=(), change=None):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node(*node[:3], domain=node[4] if len(node) > 4 else "", **(node[3] if len(node) > 3 else {})) for node in nodes],
            "network",
            [value("x", kind, shape)],
            [value(name, kind, out) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(weights).items()],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), *domains)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 9
        if change:
            change(model)
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        if toml is not None:
            path.with_suffix(".toml").write_text(toml, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def make_run(walker):
    """Writes the folder of a finished run of martinez, its weights drawn and its statistics those of a walker, not trained."""
    pytest.importorskip("torch", reason="runs need the extra [baselines]")
    pytest.importorskip("safetensors", reason="runs need the extra [baselines]")
    import numpy as np
    import torch

    from posebench.base.cameras import Camera
    from posebench.lifters.run import build
    from posebench.networks.recipe import Recipe
    from posebench.networks.weights import About, save_weights
    from posebench.predictions.provenance import Provenance

    def write(folder, *, seed=0, flip_averaging=False, finished=True, **settings):
        settings = {"width": 16, "epochs": 1, "batch": 8, "learning_rate": 1e-3, "flip_averaging": flip_averaging, **settings}
        dataset = {"name": "walker", "version": "1", "fingerprint": "0" * 64}
        recipe = Recipe("martinez", "default", "smoke", seed, dataset, ("A", "B"), "gt", "h36m17", settings)
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
        torch.manual_seed(seed)
        method = build(recipe)
        pose = torch.from_numpy(walker(60)).float()
        method.lifter.fit(pose[..., :2] / pose[..., 2:], pose)
        made = Provenance("default", "smoke", seed, "walker 1", "gt", 1, flip_averaging)
        nominal = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([500.0, 510.0]), (1000, 1020))
        if finished:
            save_weights(folder, method.lifter, About("martinez", "paired 3D", nominal, made, {"seconds": 1.5, "device": "cpu"}))
        return folder

    return write
