"""Datasets: list, inspect, prepare, export, fetch."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.cli.options import add_json, add_root
from posebench.cli.parser import add_verbs
from posebench.cli.printing import print_json, print_table
from posebench.data.registry import DATASETS, layout_names


def configure(parser: ArgumentParser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "datasets, their licences and how to get them", run_list)
    add_json(listed)
    info = verbs.add("info", "subjects, takes, frames, cameras, keypoint sources, and whether the copy is official", run_info)
    _add_name(info)
    add_json(info)
    add_root(info)
    prepare = verbs.add("prepare", "read the owner's files once and keep them mapped in the cache", run_prepare)
    _add_name(prepare)
    add_root(prepare)
    export = verbs.add("export", "write a dataset in the layout of another copy, to rehearse with", run_export)
    export.epilog = "Example: posebench data export synthetic --layout videopose3d -o rehearsal"
    _add_name(export)
    export.add_argument("--layout", metavar="LAYOUT", required=True, help="one of " + ", ".join(layout_names()))
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="an empty or new folder")
    add_root(export)
    fetch = verbs.add("fetch", "download a free dataset", run_fetch)
    free = [name for name, spec in DATASETS.items() if spec.fetch]
    fetch.add_argument("name", metavar="NAME", choices=free, help="one of " + ", ".join(free))
    fetch.add_argument("-o", "--output", metavar="DIR", default="cmu-mocap", help="folder to make (default: %(default)s)")


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="one of " + ", ".join(DATASETS))


def run_list(args: Namespace) -> int:
    """Datasets, their licences, how to get them."""
    listed = {name: {key: getattr(spec, key) for key in ("description", "licence", "obtain")} for name, spec in DATASETS.items()}
    if args.json:
        print_json(listed)
    else:
        print_table([[name, *about.values()] for name, about in listed.items()], ["name", "what it is", "licence", "to get it"])
    return 0


def run_info(args: Namespace) -> int:
    """What a copy holds."""
    from posebench import open_dataset
    from posebench.data.clip import describe

    dataset = open_dataset(args.name, args.root, cameras=args.cameras)
    details = DATASETS[args.name].details
    about = describe(dataset) | (details(dataset) if details else {})
    if args.json:
        print_json(about)
    else:
        print_table([[key, value] for key, value in about.items()], ["", args.name])
    return 0


def run_prepare(args: Namespace) -> int:
    """Read the files once into the cache."""
    from posebench import open_dataset
    from posebench.base.progress import progress

    started = time.perf_counter()
    with progress(f"preparing {args.name}") as advance:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras, progress=advance)
    official = "the official copy" if dataset.official else f"not the official copy: {dataset.note}"
    print(
        f"{dataset.name} {dataset.version}: {len(dataset.infos)} clips, {sum(info.frames for info in dataset.infos.values()):,} poses,"
        f" {official}; fingerprint {dataset.fingerprint[:16]}; {time.perf_counter() - started:.1f} s"
    )
    return 0


def run_export(args: Namespace) -> int:
    """Write a dataset in another layout."""
    from posebench import open_dataset
    from posebench.data.registry import export_layouts

    layouts = export_layouts()
    if args.layout not in layouts:
        raise PosebenchError(f"layout {args.layout!r}", "one of " + ", ".join(layouts), "correct --layout")
    layouts[args.layout](open_dataset(args.name, args.root, cameras=args.cameras), Path(args.output))
    print(f"{args.output}: {args.name} in the layout {args.layout}")
    return 0


def run_fetch(args: Namespace) -> int:
    """Download the free dataset."""
    name, spec = args.name, DATASETS[args.name]
    assert spec.fetch is not None, "the parser admits only datasets that can be fetched"
    folder = spec.fetch(args.output)
    thanks = f"{name.upper()} asks for this acknowledgment:\n{spec.acknowledgement}\n\n" if spec.acknowledgement else ""
    print(f"{folder}\n\n{thanks}Next: posebench data prepare {name} --root {folder}")
    return 0
