"""Datasets, and the demonstration on embedded ones."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.cli.printing import print_json, print_table


def run_demo(args: Namespace) -> int:  # noqa: ARG001 - every command takes the parsed arguments
    """The whole job on embedded data."""
    from posebench.cli.demo import run_demo

    run_demo(Path("posebench-demo"))
    return 0


def run_data_list(args: Namespace) -> int:
    """Datasets, their licences, how to get them."""
    from posebench.data import DATASETS

    listed = {name: {key: getattr(spec, key) for key in ("description", "licence", "obtain")} for name, spec in DATASETS.items()}
    if args.json:
        print_json(listed)
    else:
        print_table([[name, *about.values()] for name, about in listed.items()], ["name", "what it is", "licence", "to get it"])
    return 0


def run_data_info(args: Namespace) -> int:
    """What a copy holds."""
    from posebench.data import DATASETS, open_dataset
    from posebench.data.clip import describe

    dataset = open_dataset(args.name, args.root, cameras=args.cameras)
    details = DATASETS[args.name].details
    about = describe(dataset) | (details(dataset) if details else {})
    if args.json:
        print_json(about)
    else:
        print_table([[key, value] for key, value in about.items()], ["", args.name])
    return 0


def run_data_prepare(args: Namespace) -> int:
    """Read the files once into the cache."""
    from posebench.base.progress import progress
    from posebench.data import open_dataset

    started = time.perf_counter()
    with progress(f"preparing {args.name}") as advance:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras, progress=advance)
    official = "the official copy" if dataset.official else f"not the official copy: {dataset.note}"
    print(
        f"{dataset.name} {dataset.version}: {len(dataset.infos)} clips, {sum(info.frames for info in dataset.infos.values()):,} poses,"
        f" {official}; fingerprint {dataset.fingerprint[:16]}; {time.perf_counter() - started:.1f} s"
    )
    return 0


def run_data_export(args: Namespace) -> int:
    """Write a dataset in another layout."""
    from posebench.data import open_dataset
    from posebench.data.registry import export_layouts

    layouts = export_layouts()
    if args.layout not in layouts:
        raise PosebenchError(f"layout {args.layout!r}", "one of " + ", ".join(layouts), "correct --layout")
    layouts[args.layout](open_dataset(args.name, args.root, cameras=args.cameras), Path(args.output))
    print(f"{args.output}: {args.name} in the layout {args.layout}")
    return 0


def run_data_fetch(args: Namespace) -> int:
    """Download the free dataset."""
    from posebench.data import DATASETS

    name, spec = args.name, DATASETS[args.name]
    assert spec.fetch is not None, "the parser admits only datasets that can be fetched"
    folder = spec.fetch(args.output)
    thanks = f"{name.upper()} asks for this acknowledgment:\n{spec.acknowledgement}\n\n" if spec.acknowledgement else ""
    print(f"{folder}\n\n{thanks}Next: posebench data prepare {name} --root {folder}")
    return 0
