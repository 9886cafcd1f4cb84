"""``posebench robustness across``: lifters on the test splits of several datasets.

**Convention.** A dataset is scored under the protocol that :data:`posebench.data.DATASETS` names for it. A lifter that is fitted to a
training split (``mean-pose``) has a row for each dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters import Lifter, predict, simple_lifters
from posebench.lifters.choose import lifter_maker
from posebench.lifters.robustness.identity import label_of
from posebench.lifters.robustness.run import scored_part
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.robustness.across import Across, AcrossRow, Cell, measure_cell
from posebench.scoring.submission import Header
from posebench.scoring.truth import TruthLocation

#: Lifters without a file that learn from a training split.
_FITTED = ("mean-pose",)


def measure_across(
    lifters: Sequence[str],
    roots: Mapping[str, str | os.PathLike[str] | None],
    *,
    keypoints: str = "gt",
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Across:
    """Lift and score the test split of each dataset with each lifter.

    Args:
        lifters: names as for :func:`posebench.open_lifter`.
        roots: dataset to its folder; None for one that needs none.
        keypoints: 2D source of all datasets. A lifter that was trained on another one is refused.
        threads: CPU threads of a lifter.
        progress: called with (cells done, cells in all).

    Raises:
        PosebenchError: no lifter, fewer than two datasets, a dataset or lifter that cannot be used, or one that was trained on another
            keypoint source.
    """
    if len(roots) < 2:
        raise PosebenchError(f"{len(roots)} dataset", "two or more to test on", "add --on NAME=DIR")
    for name in roots:
        if name not in DATASETS:
            raise PosebenchError(f"dataset {name!r}", f"one of {', '.join(DATASETS)}", did_you_mean(name, DATASETS, "correct --on"))
    makers = {name: lifter_maker(name, threads=threads) for name in lifters}
    datasets = {name: open_dataset(name, root) for name, root in roots.items()}
    protocols = {name: load_protocol(DATASETS[name].protocol) for name in datasets}
    made: list[tuple[str, str, Lifter]] = []
    for name, make in makers.items():
        for trained_on in datasets if name in _FITTED else list(datasets)[:1]:
            lifter = make(datasets[trained_on])
            _require_keypoints(lifter, keypoints)
            origin = lifter.info.provenance.trained_on.partition(" ")[0] if lifter.info.provenance else ""
            own = trained_on if name in _FITTED else "" if name in simple_lifters() else origin or "unstated"
            made.append((label_of(name, lifter.info.id), own, lifter))
    rows, done = [], 0
    for method, trained_on, lifter in made:
        cells = {}
        for name, dataset in datasets.items():
            cells[name] = _cell(lifter, dataset, protocols[name], keypoints)
            done += 1
            if progress:
                progress(done, len(made) * len(datasets))
        rows.append(AcrossRow(method, trained_on, cells))
    return Across(
        keypoints=keypoints,
        datasets=tuple(datasets),
        protocols={name: f"{protocol.id} {protocol.version} {protocol.digest}" for name, protocol in protocols.items()},
        fingerprints={name: dataset.fingerprint for name, dataset in datasets.items()},
        rows=tuple(rows),
    )


def _require_keypoints(lifter: Lifter, keypoints: str) -> None:
    made = lifter.info.provenance
    if made and made.trained_keypoints != keypoints:
        raise PosebenchError(
            f"{lifter.info.id}, trained on keypoints {made.trained_keypoints}",
            f"lifters trained on {keypoints}: only rows of one keypoint source are compared",
            f"leave it out, or add --keypoints {made.trained_keypoints}",
        )


def _cell(lifter: Lifter, dataset: Dataset, protocol: Protocol, keypoints: str) -> Cell:
    poses = dict(predict(lifter, scored_part(dataset, protocol), keypoints=keypoints, log=lambda _: None))
    info = lifter.info
    header = Header(info.unit, info.skeleton, info.scale, info.id, keypoints)
    return measure_cell(poses, protocol, TruthLocation(opened=dataset), header)
