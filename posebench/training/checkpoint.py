"""Checkpoints: the whole state of a training in one safetensors file, which is replaced atomically.

**Convention.** Tensors: ``method/*`` (weights and buffers), ``average/*`` (moving average of the lifter), ``optimiser/<network>/<n>/*``,
``random/cpu`` (and ``random/cuda``), ``order`` (of this epoch's samples). The header's ``state`` is JSON: counters, sums of the loss
terms so far, and the optimisers' settings. Nothing is pickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.base.readers.text import parse_json

_NEXT = "start the run anew: posebench train ... -o ANOTHER"


@dataclass
class TrainingState:
    """Progress of a training.

    Attributes:
        epoch: completed epochs.
        cursor: samples used in the present epoch.
        step: completed steps.
        seconds: wall time in the loop, without interruptions.
        cpu_seconds: CPU time of the process in the loop, all threads together; comparable even if the machine had other work.
        sums: sum of each loss term over the present epoch's steps.
        steps: completed steps of the present epoch.
        threads: CPU threads and steps of each part of the training, ``[threads, steps]``, in order; a part ends where the training was
            interrupted and resumed with another number. Threads are 0 where an earlier version did not write them.
    """

    epoch: int = 0
    cursor: int = 0
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    threads: list[list[int]] = field(default_factory=list)

    def count_threads(self, threads: int) -> None:
        """Add the steps since the last call, all made on ``threads`` CPU threads.

        Example:
            >>> state = TrainingState(step=5)
            >>> state.count_threads(2)
            >>> state.step = 8
            >>> state.count_threads(1)
            >>> state.threads
            [[2, 5], [1, 3]]
        """
        new = self.step - sum(steps for _, steps in self.threads)
        if self.threads and self.threads[-1][0] == threads:
            self.threads[-1][1] += new
        elif new:
            self.threads.append([threads, new])

    @property
    def threads_in_words(self) -> str:
        """The number of threads; of a training with several parts, those of each part, with its steps.

        Example:
            >>> TrainingState(threads=[[1, 8]]).threads_in_words
            '1'
            >>> TrainingState(threads=[[2, 5], [1, 3]]).threads_in_words
            '2 (5 steps), then 1 (3 steps)'
        """
        if len(self.threads) == 1 and self.threads[0][0]:
            return str(self.threads[0][0])
        return ", then ".join(f"{threads or 'unknown'} ({steps} steps)" for threads, steps in self.threads)


def save(
    path: Path, state: TrainingState, method: nn.Module, average: nn.Module | None, optimisers: dict[str, Optimizer], order: Tensor
) -> None:
    """Write a checkpoint, atomically."""
    from safetensors.torch import save as to_bytes

    tensors = {f"method/{name}": value for name, value in method.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in (average.state_dict() if average else {}).items()}
    groups: dict[str, Any] = {}
    for network, optimiser in optimisers.items():
        moments = optimiser.state_dict()
        groups[network] = moments["param_groups"]
        for number, values in moments["state"].items():
            tensors |= {f"optimiser/{network}/{number}/{key}": value for key, value in values.items() if isinstance(value, Tensor)}
    tensors["random/cpu"] = torch.get_rng_state()
    if order.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    tensors["order"] = order
    # A network that is used twice has two names for one storage; safetensors wants separate tensors.
    separate = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        # As bytes: safetensors' own save_file would make the file readable by its owner alone.
        temporary.write_bytes(to_bytes(separate, metadata={"state": json.dumps({**asdict(state), "groups": groups})}))


def load(
    path: Path, method: nn.Module, average: nn.Module | None, optimisers: dict[str, Optimizer], device: str
) -> tuple[TrainingState, Tensor]:
    """Restore networks, optimisers and random generators from a checkpoint.

    Returns:
        The training's progress, and the order of the present epoch's samples.

    Raises:
        PosebenchError: the file is missing, damaged, or of another method or recipe.
    """
    from safetensors import SafetensorError, safe_open

    wanted = "a checkpoint of this recipe"
    try:
        with safe_open(path, framework="pt") as file:
            content = parse_json((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if not isinstance(content, dict):
            raise TypeError(f"its state is a {type(content).__name__}")
        groups = content.pop("groups")
        state = TrainingState(**content)
        method.load_state_dict(_below(tensors, "method/"))
        if average is not None:
            average.load_state_dict(_below(tensors, "average/"))
        for network, optimiser in optimisers.items():
            values: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below(tensors, f"optimiser/{network}/").items():
                number, _, key = name.partition("/")
                values.setdefault(int(number), {})[key] = tensor
            optimiser.load_state_dict({"state": values, "param_groups": groups[network]})
        torch.set_rng_state(tensors["random/cpu"])
        if device.startswith("cuda"):
            torch.cuda.set_rng_state(tensors["random/cuda"])
        return state, tensors["order"].to(device)
    except FileNotFoundError as error:
        raise PosebenchError(f"{path}: no such file", "a checkpoint to resume from", "train without --resume") from error
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise PosebenchError(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}", wanted, _NEXT) from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
