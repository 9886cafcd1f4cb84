"""The machine and the code version of a training or a timing."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import posebench
from posebench.base.errors import PosebenchError


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` CPU threads within the block; 0 leaves the number as it is.

    The networks of this field are small: further threads wait for each other more than they compute, above all on a busy machine.

    Raises:
        PosebenchError: a negative number.
    """
    if count < 0:
        raise PosebenchError(f"{count} threads", "a whole number from 0", "correct --threads")
    before = torch.get_num_threads()
    if count in (0, before):
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processor() -> str:
    """The processor's name from the operating system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine(device: str) -> dict[str, str]:
    """Processor, cores, threads, accelerator and versions, without which a wall time means nothing."""
    cuda = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "code": commit(),
    }


#: Paths of a checkout that results depend on. A change elsewhere, such as a new leaderboard entry, does not make the code another one.
CODE = ("posebench", "baselines", "protocols", "pyproject.toml", "constraints.txt")


def commit() -> str:
    """The commit of the checkout that this library runs from; empty outside a checkout.

    It ends with ``+`` if the code (:data:`CODE`) has uncommitted changes or untracked files.
    """
    home = Path(posebench.__file__).parent.parent
    if not (home / ".git").exists():
        return ""
    outputs = []
    for command in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--", *CODE)):
        try:
            found = subprocess.run(("git", "-C", str(home), *command), capture_output=True, text=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            return ""
        outputs.append(found.stdout.strip())
    head, changes = outputs
    return head + ("+" if changes else "")
