"""Names that options take, for help and completion. Imports neither numpy nor PyTorch: help and a press of TAB have to be quick."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

#: Keypoint sources that posebench makes itself.
SIMULATED = ("gt", "gauss5", "gauss10", "gauss20", "detector")
#: Keypoint sources that copies of Human3.6M hold.
DETECTED = ("cpn_ft_h36m_dbb", "sh_ft_h36m", "sh_pt_mpii", "detectron_ft_h36m", "detectron_pt_coco")
#: Formats of :data:`posebench.predictions.formats.registry.FORMATS`.
FORMATS = (
    "videopose3d-npy",
    "npy-folder",
    "p-stmo-mat",
    "mmpose-result-json",
    "mmpose-demo-json",
    "motionbert-npy",
    "martinez-h5",
    "posebench3d-npz",
)
#: Presets of :data:`posebench.scoring.conventions.presets.PRESETS`.
PRESETS = (
    "videopose3d",
    "martinez",
    "mmpose",
    "motionbert-family",
    "p-stmo",
    "mixste",
    "spin-p1",
    "spin-p2",
    "hmr-p1",
    "hmr-p2",
    "integral-p1",
    "integral-p2",
    "posenet-p1",
    "ites",
    "elepose",
    "repnet",
    "posebench3d",
    "adaptpose",
    "3dpw",
    "aspset",
    "d3dp",
    "wham",
)
#: Files of 2D joints in VideoPose3D's layout: this, then the source.
_SOURCE = "data_2d_h36m_"
SPLITS = ("train", "test")
SUPERVISIONS = ("none", "multi-view 2D", "unpaired 3D", "paired 3D", "unstated")
#: Lifters that need no file.
LIFTERS = ("flat", "mean-pose")


def methods() -> list[str]:
    """Baselines that can be trained."""
    return sorted(path.parent.name for path in _folder("posebench.baselines").glob("*/recipe.toml"))


def recipes(method: str) -> list[str]:
    """Recipes of a baseline, ``tuned`` first; none for a method that does not exist."""
    if method not in methods():
        return []
    text = (_folder("posebench.baselines") / method / "recipe.toml").read_text(encoding="utf-8")
    return ["tuned", *re.findall(r"^\[recipes\.([\w-]+)\]", text, re.MULTILINE)]


def methods_with_recipes() -> list[str]:
    """A line for each baseline: its name and recipes."""
    return [f"{method}: {', '.join(recipes(method))}" for method in methods()]


def protocols() -> list[str]:
    """Ids of the protocols that come with posebench."""
    folder = _folder("posebench.protocols")
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.toml"))


def keypoint_sources(dataset: str | None, root: str | None = None) -> list[str]:
    """Keypoint sources that a dataset has; for Human3.6M those of the files in ``root``, or else those that copies may have."""
    if dataset == "h36m":
        # Where a copy has them: a folder may hold millions of images, and is not searched.
        files = [file for where in ("", "*/") for file in Path(root).glob(f"{where}{_SOURCE}*.npz")] if root else []
        there = sorted({file.stem.removeprefix(_SOURCE) for file in files})
        return ["gt", *(name for name in there or DETECTED if name != "gt")]
    return ["gt"] if dataset == "3dhp" else list(SIMULATED)


def _folder(package: str) -> Path:
    return Path(import_module(package).__path__[0])


def targets() -> list[str]:
    """Ids of the targets of reproduction."""
    library = _folder("posebench")
    for folder in (library / "leaderboard", library.parent / "leaderboard"):
        if (folder / "reproduce.toml").is_file():
            return re.findall(r'^id = "([\w-]+)"', (folder / "reproduce.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return []
