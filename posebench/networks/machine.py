"""The machine that a training or a timing ran on, and the code."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch

import posebench


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine(device: str) -> dict[str, str]:
    """Processor, cores, threads, accelerator and versions: what a wall time means nothing without."""
    cuda = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "code": commit(),
    }


#: What decides numbers, in a checkout: entries and pages that a run writes there do not make its code another one.
CODE = ("posebench", "baselines", "protocols", "pyproject.toml", "constraints.txt")


def commit() -> str:
    """The commit of the checkout that this library runs from; empty outside a checkout.

    With ``+`` where its code (:data:`CODE`) differs from the commit, files that git does not know yet among it.
    """
    home = Path(posebench.__file__).parent.parent
    if not (home / ".git").exists():
        return ""
    told = []
    for command in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--", *CODE)):
        try:
            found = subprocess.run(("git", "-C", str(home), *command), capture_output=True, text=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            return ""
        told.append(found.stdout.strip())
    return told[0] + ("+" if told[1] else "")
