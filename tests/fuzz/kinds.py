"""The kinds of file that the commands read: a small sound example of each, and how a command reads it.

A reader returns a digest and numbers. The digest is what a result or an entry would show of the file; numbers that differ under the
same digest would be wrong and leave no trace.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
BODY = np.random.default_rng(5).normal(0, 250, (17, 3))
POSES = {
    f"S9/Walk {take}/c{camera}": BODY + np.random.default_rng(take).normal(0, 30, (5, 17, 3)) for take in range(2) for camera in range(2)
}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: for the report.
        make: writes the example into an empty folder.
        read: reads it from there as a command does; returns (digest, numbers).
        share: of the inputs, relative to the other kinds: less for what takes long.
        changed: which files are changed; all if empty.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], tuple[str, str]]
    share: int = 10
    changed: tuple[str, ...] = ()


def _hash(*arrays: Any) -> str:
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).tobytes() if isinstance(array, np.ndarray) else repr(array).encode())
    return hasher.hexdigest()


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Predictions


def _predictions(suffix: str) -> Kind:
    from posebench.predictions.archive import open_predictions, save_predictions

    def make(folder: Path) -> None:
        save_predictions(folder / f"p{suffix}", POSES, unit="mm", skeleton="h36m17", frames={clip: range(5) for clip in POSES})

    def read(folder: Path) -> tuple[str, str]:
        with open_predictions(folder / f"p{suffix}") as file:
            return _file(folder / f"p{suffix}"), _hash(*(value for clip in file.shapes for value in (clip, file.poses(clip))))

    return Kind(f"predictions{suffix}", make, read, 60 if suffix == ".npz" else 8)


def _scored() -> Kind:
    import posebench
    from posebench.predictions.archive import save_predictions

    def make(folder: Path) -> None:
        save_predictions(folder / "p.npz", POSES, unit="mm", skeleton="h36m17")
        save_predictions(
            folder / "truth.npz", {clip: pose + 20 * np.sin(pose) for clip, pose in POSES.items()}, unit="mm", skeleton="h36m17"
        )

    def read(folder: Path) -> tuple[str, str]:
        result = posebench.score(folder / "p.npz", "pair-17j", truth=folder / "truth.npz")
        return _file(folder / "p.npz") + _file(folder / "truth.npz"), repr(result.value("MPJPE"))

    return Kind("score", make, read, 8)


def _foreign(name: str, source: str, kept: str) -> Kind:
    from posebench.predictions.formats.registry import Reading, foreign_format, read_foreign

    def make(folder: Path) -> None:
        place = folder / kept
        place.parent.mkdir(parents=True, exist_ok=True)
        if kept.endswith(".h5"):
            from posebench.base.readers.hdf5_writer import write_hdf5

            write_hdf5(place, {}, [("S9/Walk 1.54138969/3D_positions", np.random.default_rng(1).normal(0, 300, (96, 5)))])
        elif source:
            shutil.copy(GOLDEN / source, place)
        else:
            np.save(place, POSES["S9/Walk 0/c0"] - POSES["S9/Walk 0/c0"][:, :1])

    def read(folder: Path) -> tuple[str, str]:
        path = folder / kept
        reading = Reading(clip="S9/Walk 0/c0") if kept.endswith((".npy", ".json")) else Reading()
        format = foreign_format(path, reading)
        if format is None:
            return _file(path), ""
        predictions, _ = read_foreign(path, format, reading)
        return _file(path), _hash(*(predictions.poses(clip) for clip in predictions.shapes))

    return Kind(name, make, read, 20 if not kept.endswith(".h5") else 6)


# What posebench writes


def _robustness() -> Kind:
    from posebench.display.robustness import robustness_text
    from posebench.scoring.protocol import load_protocol
    from posebench.scoring.robustness.measured import TakeSums
    from posebench.scoring.robustness.record import FACTS, Method, Robustness, Study, load_robustness

    def make(folder: Path) -> None:
        study = Study(load_protocol("cmu/noise"), ("cmu", "f" * 64), ("S07/07_01", "S09/09_01", "S29/29_01"))
        for number, name in enumerate(("flat", "mine")):
            study.methods[name] = method = Method(name, f"{number:032x}", dict.fromkeys(FACTS, ""))
            for condition in study.conditions:
                total = np.array([900.0, 1000.0, 1100.0]) * (1 + number) + 10.0 * condition.severity
                method.sets[str(condition)] = {"PA-MPJPE": TakeSums(total, np.array([9.0, 10.0, 11.0]))}
        Robustness({"cmu/noise": study}).save(folder / "r.json")

    def read(folder: Path) -> tuple[str, str]:
        found = load_robustness(folder / "r.json")
        return _file(folder / "r.json"), _hash(*(str(robustness_text(study, everything=True)) for study in found.studies.values()))

    return Kind("robustness", make, read, 6)


def _result() -> Kind:
    from posebench.display.html.assembly import report
    from posebench.scoring.latex import results_in_latex
    from posebench.scoring.result import load_result

    def make(folder: Path) -> None:
        for name in ("result.json", "result.sums.npz"):
            shutil.copy(GOLDEN / "earlier" / "scored" / name, folder)

    def read(folder: Path) -> tuple[str, str]:
        result = load_result(folder / "result.json")
        result.to_latex(list(result.metrics)[:2])
        list(result.long_rows())
        report(result)
        results_in_latex({"mine": result, "again": result})
        return _file(folder / "result.json"), _hash(*(one.total for one in result.sums.values()), repr(sorted(result.sums)))

    return Kind("result", make, read, 20)


def _entry() -> Kind:
    from posebench.board.entry_files import load_entry

    source = sorted((ROOT / "leaderboard" / "entries").rglob("*.json"))[0]
    place = source.relative_to(ROOT / "leaderboard")

    def make(folder: Path) -> None:
        (folder / place).parent.mkdir(parents=True)
        shutil.copy(source, folder / place)

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / place), repr(load_entry(folder / place, folder))[:100]

    return Kind("entry", make, read, 4)


def _speed_record() -> Kind:
    from posebench.lifters.timing.record import load_record

    source = sorted((ROOT / "leaderboard" / "speed").glob("*.json"))[0]

    def make(folder: Path) -> None:
        shutil.copy(source, folder / "speed.json")

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / "speed.json"), repr(load_record(folder / "speed.json"))[:100]

    return Kind("speed record", make, read, 60)


def _toml(name: str, text: str, read: Callable[[Path], Any]) -> Kind:
    def make(folder: Path) -> None:
        (folder / "file.toml").write_text(text, encoding="utf-8")

    def read_it(folder: Path) -> tuple[str, str]:
        return _file(folder / "file.toml"), repr(read(folder / "file.toml"))[:100]

    return Kind(name, make, read_it, 60 if name == "grid" else 400)


def _protocol() -> Kind:
    from posebench.scoring.protocol import load_protocol

    text = (ROOT / "protocols" / "pair-17j.toml").read_text(encoding="utf-8")

    def make(folder: Path) -> None:
        (folder / "p.toml").write_text(text, encoding="utf-8")

    def read(folder: Path) -> tuple[str, str]:
        protocol = load_protocol(str(folder / "p.toml"))
        scored = {
            key: value for key, value in vars(protocol).items() if key not in ("id", "version", "title", "sources", "notes", "source")
        }
        return protocol.digest, repr((protocol.metrics, protocol.skeleton.id, scored.get("subjects"), scored.get("headline")))

    return Kind("protocol", make, read, 150)


def _published() -> Kind:
    from posebench.board.published.reader import load_published

    def make(folder: Path) -> None:
        shutil.copy(ROOT / "leaderboard" / "published.toml", folder)

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / "published.toml"), str(len(repr(load_published(folder))))

    return Kind("published", make, read, 4)


def _run() -> Kind:
    from posebench.lifters.run import open_run

    def make(folder: Path) -> None:
        for name in ("recipe.toml", "lifter.json", "lifter.safetensors"):
            shutil.copy(GOLDEN / "earlier" / "runs" / "martinez" / name, folder)

    def read(folder: Path) -> tuple[str, str]:
        lifter = open_run(folder)
        poses = lifter.lift(1000 * np.random.default_rng(0).uniform(size=(3, 17, 2)), "nominal")
        return _file(folder / "recipe.toml") + _file(folder / "lifter.json"), _hash(poses)

    return Kind("run folder", make, read, 10)


def _checkpoint() -> Kind:
    from posebench.lifters.run import build
    from posebench.networks.recipe import Recipe
    from posebench.training.checkpoint import load

    source = GOLDEN / "earlier" / "runs" / "martinez"

    def make(folder: Path) -> None:
        shutil.copy(source / "checkpoint.safetensors", folder)

    def read(folder: Path) -> tuple[str, str]:
        import torch

        method = build(Recipe.load(source / "recipe.toml"))
        optimisers = method.optimisers()
        state = torch.get_rng_state()
        try:
            load(folder / "checkpoint.safetensors", method, None, optimisers, "cpu")
        finally:
            torch.set_rng_state(state)
        return _file(folder / "checkpoint.safetensors"), ""

    return Kind("checkpoint", make, read, 10)


def _cache() -> Kind:
    from posebench.data.cache import CacheEntry, cached

    built = CacheEntry({"poses": np.arange(60.0).reshape(5, 4, 3), "valid": np.ones(5, bool)}, {"clips": [["S9", "Walk", 5]]})

    def make(folder: Path) -> None:
        os.environ["POSEBENCH_CACHE"] = str(folder)
        cached("fuzz", "0" * 64, lambda: built)

    def read(folder: Path) -> tuple[str, str]:
        os.environ["POSEBENCH_CACHE"] = str(folder)
        entry = cached("fuzz", "0" * 64, lambda: built)
        return "", _hash(*(entry.arrays[name] for name in ("poses", "valid")), json.dumps(entry.facts))

    return Kind("cache", make, read, 100)


# Files of others


def _pickle() -> Kind:
    from posebench.base.readers.pickles import read_pickle

    def make(folder: Path) -> None:
        content = {("S9", "54138969"): {"R": np.eye(3), "T": [1.0, 2.0, 3.0], "w": 1000, "names": ("a", "b")}}
        (folder / "cameras.pkl").write_bytes(pickle.dumps(content, protocol=2))

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / "cameras.pkl"), str(type(read_pickle(folder / "cameras.pkl")))

    return Kind("pickle", make, read, 1200)


def _layout(name: str) -> Kind:
    def wanted(info: Any) -> bool:
        if name in ("3dhp", "p-stmo"):  # which have six test takes
            return info.subject in ("S1", "S9", "S11") and info.action in ("Walking", "Sitting")
        return info.subject in ("S1", "S9") and info.take.endswith("Walking 1")

    def make(folder: Path) -> None:
        from posebench.data import open_dataset
        from posebench.data.registry import export_layouts

        dataset = open_dataset("synthetic")
        export_layouts()[name](replace(dataset, infos={id: info for id, info in dataset.infos.items() if wanted(info)}), folder / "copy")

    def read(folder: Path) -> tuple[str, str]:
        from posebench.data import DATASETS, open_dataset

        dataset = open_dataset(next(known for known, spec in DATASETS.items() if name in spec.layouts), folder / "copy")
        clips = [dataset.load(id) for id in dataset.infos]
        for clip in clips[:2]:
            for source in dataset.keypoint_sources[:2]:
                clip.keypoints(source)
        # A fingerprint is of clips, lengths and labels; copies of one recording differ in rounding.
        files = [_file(path) for path in sorted((folder / "copy").rglob("*")) if path.is_file()]
        return dataset.fingerprint + repr(files), _hash(*(clip.pose for clip in clips))

    return Kind(f"layout {name}", make, read, 2)


def _cameras(suffix: str) -> Kind:
    from posebench.data.h36m.cameras import read_cameras

    def make(folder: Path) -> None:
        from posebench.data import open_dataset
        from posebench.data.registry import export_layouts

        layout = {".py": "videopose3d", ".h5": "martinez", ".pkl": "mmpose"}[suffix]
        dataset = open_dataset("synthetic")
        kept = {id: info for id, info in dataset.infos.items() if info.subject in ("S1", "S9") and info.take.endswith("Walking 1")}
        export_layouts()[layout](replace(dataset, infos=kept), folder / "copy")
        found = next(path for path in sorted((folder / "copy").rglob(f"*{suffix}")) if "camera" in path.name or suffix == ".py")
        shutil.move(found, folder / f"cameras{suffix}")
        shutil.rmtree(folder / "copy")

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / f"cameras{suffix}"), str(len(read_cameras(folder / f"cameras{suffix}")))

    return Kind(f"cameras{suffix}", make, read, 4 if suffix == ".h5" else 400)


def _cmu() -> Kind:
    from posebench.data.cmu.amc import read_amc
    from posebench.data.cmu.asf import read_asf

    asf = """# comment
:version 1.10
:name x
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lhipjoint
     direction 0.6 -0.8 0
     length 2.4
     axis 0 0 0 XYZ
  end
  begin
     id 2
     name lfemur
     direction 0 -1 0
     length 7.1
     axis 0 0 20 XYZ
     dof rx ry rz
     limits (-160.0 20.0)
            (-70.0 70.0)
            (-60.0 70.0)
  end
:hierarchy
  begin
    root lhipjoint
    lhipjoint lfemur
  end
"""
    amc = ":FULLY-SPECIFIED\n:DEGREES\n" + "".join(f"{i}\nroot 1 2 3 4 5 6\nlfemur {i} 2.5 1\n" for i in range(1, 5))

    def make(folder: Path) -> None:
        (folder / "01.asf").write_text(asf)
        (folder / "01_01.amc").write_text(amc)

    def read(folder: Path) -> tuple[str, str]:
        body = read_asf(folder / "01.asf")
        read_amc(folder / "01_01.amc", body)
        return _file(folder / "01.asf") + _file(folder / "01_01.amc"), ""

    return Kind("cmu asf amc", make, read, 600)


def _calibration() -> Kind:
    from posebench.data.mpi_inf_3dhp.official import read_calibration

    lines = ["Skeleton Camera Calibration File V1.0"]
    for number in range(3):
        flat = " ".join(map(str, np.eye(4).ravel()))
        lines += [
            f"name {number}",
            "  sensor 10 10",
            "  size 2048 2048",
            "  animated 0",
            f"  intrinsic {flat}",
            f"  extrinsic {flat}",
            "  radial 0",
        ]

    def make(folder: Path) -> None:
        (folder / "camera.calibration").write_text("\n".join(lines))

    def read(folder: Path) -> tuple[str, str]:
        return _file(folder / "camera.calibration"), str(len(read_calibration(folder / "camera.calibration")))

    return Kind("calibration", make, read, 600)


def _onnx() -> Kind:
    def make(folder: Path) -> None:
        from onnx import helper, numpy_helper

        value = helper.make_tensor_value_info
        weights = {"pads": np.array([0, 0, 0, 0, 0, 1]), "zero": np.array(0.0, dtype=np.float32)}
        graph = helper.make_graph(
            [helper.make_node("Pad", ["x", "pads", "zero"], ["y"])],
            "network",
            [value("x", 1, ["N", 17, 2])],
            [value("y", 1, ["N", 17, 3])],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        (folder / "m.toml").write_text(
            'id = "x"\nsupervision = "none"\nskeleton = "h36m17"\n[input]\nlayout = "b j c"\n[output]\nlayout = "b j c"\nunit = "mm"\n'
        )

    def read(folder: Path) -> tuple[str, str]:
        from posebench.lifters.onnx.model import open_onnx

        poses = open_onnx(folder / "m.onnx").lift(np.ones((4, 17, 2)), None)
        return _file(folder / "m.onnx") + _file(folder / "m.toml"), _hash(poses)

    return Kind("onnx", make, read, 10)


def _points(name: str) -> Kind:
    from posebench.base.readers.points import read_points

    rows = "1\t0.0\t1\t2\t3\t4\t5\t6\n2\t0.01\t1\t2\t3\t4\t5\t6\n"
    texts = {
        "a.trc": f"PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate NumFrames NumMarkers Units\n100 2 2 mm\nF\tT\tL\t\t\tR\n\t\tX1\n{rows}",
        "a.csv": "t,L_x,L_y,L_z\n0,1,2,3\n1,4,5,6\n",
    }

    def make(folder: Path) -> None:
        if name in texts:
            (folder / name).write_text(texts[name])
        else:
            shutil.copy(GOLDEN / "own" / name, folder / name)

    def read(folder: Path) -> tuple[str, str]:
        found = read_points(folder / name)
        return _file(folder / name), _hash(found.labels, found.points, found.fps, found.unit)

    return Kind(f"points {name}", make, read, 400)


def _own() -> Kind:
    from posebench.data import open_dataset
    from posebench.data.synthetic.dataset import open_synthetic

    card = 'posebench_data = 1\nid = "mine"\nversion = "1"\ntitle = "a"\nlicence = "b"\nredistribution = "no"\ncapture = "generated"\n'
    card += 'unit = "mm"\nframe = "world"\nup = "y"\nfps = 50\n[skeleton]\nid = "h36m17"\n[splits]\ntest = ["S1"]\n[rig]\nunit = "mm"\n'
    camera = '[cam]\nname = "a"\nsize = [1000, 1000]\nmatrix = [[1145, 0, 500], [0, 1145, 500], [0, 0, 1]]\n'
    camera += "distortions = [0.0, 0.0, 0.0, 0.0, 0.0]\nrotation = [3.14159265, 0.0, 0.0]\ntranslation = [0.0, 900.0, 6000.0]\n"
    dataset = open_synthetic()
    clip = dataset.load("S9/Walking 1/c0")
    assert clip.camera is not None
    pose = clip.camera.to_world(clip.pose[:8])
    pose = pose - pose[:1, :1] * [1.0, 0.0, 1.0]

    def make(folder: Path) -> None:
        (folder / "poses" / "S1").mkdir(parents=True)
        np.savez(folder / "poses/S1/walk.npz", pose=pose)
        (folder / "dataset.toml").write_text(card)
        (folder / "cameras.toml").write_text(camera)

    def read(folder: Path) -> tuple[str, str]:
        opened = open_dataset("own", folder)
        rounded = [part for one in opened.clips() for part in (one.id, one.pose.round(), one.keypoints("gt").round())]
        return opened.fingerprint, _hash(*rounded)

    return Kind("own motion", make, read, 40)


def _detections() -> Kind:
    from posebench.data.detections.files import read_detections

    def make(folder: Path) -> None:
        people = [
            {"image_id": f"{frame}.jpg", "keypoints": [float(5 * frame + n) for n in range(51)], "idx": id, "box": [1, 2, 3, 4]}
            for frame in range(3)
            for id in (1, 2)
        ]
        (folder / "a.json").write_text(json.dumps(people))

    def read(folder: Path) -> tuple[str, str]:
        found = read_detections(folder / "a.json")
        return _file(folder / "a.json"), _hash(*(part for id, one in found.people.items() for part in (id, one.frames, one.points)))

    return Kind("detections", make, read, 400)


def kinds() -> list[Kind]:
    """All kinds whose packages are installed."""
    from posebench.board.regeneration.grid import read_grid
    from posebench.data.registry import export_layouts
    from posebench.lifters.onnx.card import read_card

    grid = (ROOT / "leaderboard" / "grid.toml").read_text(encoding="utf-8")
    card = 'id = "x"\nsupervision = "none"\nskeleton = "h36m17"\nwindow = 3\n[input]\nlayout = "b t (j c)"\nmean = [500, 500]\nstd = 10\n'
    card += 'joints = ["pelvis", "r_hip"]\n[output]\nlayout = "b j c"\nunit = "mm"\naxes = "x -y z"\n'
    found = [
        _predictions(".npz"),
        _predictions(".h5"),
        _scored(),
        _foreign("videopose3d npy", "", "p.npy"),
        _foreign("mmpose json", "field/05/clip.json", "clip.json"),
        _foreign("p-stmo mat", "inference_data.mat", "inference_data.mat"),
        _foreign("martinez h5", "", "p.h5"),
        _result(),
        _robustness(),
        _entry(),
        _speed_record(),
        _protocol(),
        _toml("grid", grid, read_grid),
        _published(),
        _toml("card", card, read_card),
        _cache(),
        _pickle(),
        _cmu(),
        _calibration(),
        *(_points(name) for name in ("mixed.bvh", "markers.c3d", "a.trc", "a.csv")),
        _own(),
        _detections(),
        *(_cameras(suffix) for suffix in (".py", ".h5", ".pkl")),
        *(_layout(name) for name in export_layouts()),
    ]
    try:
        import onnxruntime  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        return found
    return [*found, _run(), _checkpoint(), _onnx()]
