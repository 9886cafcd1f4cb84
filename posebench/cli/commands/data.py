"""Datasets: list, inspect, prepare, export, fetch."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.cli.options import add_json, add_root, completed
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import print_json, remark, show_table
from posebench.data.registry import DATASETS, layout_names, registered


def configure(parser: Parser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "datasets, their licences and how to get them", run_list)
    listed.example = "posebench data list"
    add_json(listed)
    info = verbs.add("info", "subjects, takes, frames, cameras, keypoint sources, and whether the copy is official", run_info)
    info.example = "posebench data info h36m --root DIR"
    _add_name(info)
    add_json(info)
    add_root(info)
    prepare = verbs.add("prepare", "read the owner's files once and keep them mapped in the cache", run_prepare)
    prepare.example = "posebench data prepare cmu --root cmu-mocap"
    _add_name(prepare)
    add_root(prepare)
    export = verbs.add("export", "write a dataset in the layout of another copy, to rehearse with", run_export)
    export.example = "posebench data export synthetic --layout videopose3d -o rehearsal"
    _add_name(export)
    layout = export.add_argument("--layout", metavar="LAYOUT", required=True, help="one of " + ", ".join(layout_names()))
    completed(layout, lambda _: layout_names())
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="an empty or new folder")
    what = "with the take names, detectors' keypoints and gaps of Human3.6M as it is distributed (its layouts only): docs/reproduce.md"
    export.add_argument("--as-distributed", action="store_true", help=what)
    add_root(export)
    new = verbs.add("new", "write the card of a folder of your own motion: docs/own.md", run_new)
    new.example = "posebench data new mine --from walk_01.bvh walk_02.bvh"
    new.add_argument("folder", metavar="DIR", help="folder to make, or one with poses/<subject>/<take> files")
    new.add_argument(
        "--from", dest="files", metavar="FILE", nargs="+", default=[], help="files of motion, or folders of them, to copy into it"
    )
    fetch = verbs.add("fetch", "download a free dataset", run_fetch)
    fetch.example = "posebench data fetch cmu -o cmu-mocap"
    free = [name for name, spec in DATASETS.items() if spec.fetch]
    fetch.add_argument("name", metavar="NAME", choices=free, help="one of " + ", ".join(free))
    folders = ", ".join(DATASETS[name].fetched for name in free)
    fetch.add_argument("-o", "--output", metavar="DIR", help=f"folder to make (default: {folders})")


def _add_name(parser: Parser) -> None:
    completed(parser.add_argument("name", metavar="NAME", help="one of " + ", ".join(DATASETS)), lambda _: tuple(DATASETS))


def run_list(args: Namespace) -> int:
    """Datasets, their licences, how to get them."""
    listed = {name: {key: getattr(spec, key) for key in ("description", "licence", "obtain")} for name, spec in DATASETS.items()}
    if args.json:
        print_json(listed)
    else:
        show_table(
            [[name, *about.values()] for name, about in listed.items()],
            ["name", "what it is", "licence", "to get it"],
            markdown=args.markdown,
        )
    return 0


def run_info(args: Namespace) -> int:
    """What a copy holds."""
    from posebench import open_dataset
    from posebench.base.progress import progress
    from posebench.data.clip import describe

    with progress(f"reading {args.name}") as advance:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras, progress=advance)
    details = DATASETS[registered(args.name)].details
    about = describe(dataset) | (details(dataset) if details else {})
    if args.json:
        print_json(about)
    else:
        note = about.pop("note")
        official = "yes" if about.pop("official") else "no"
        facts = {"dataset": about.pop("dataset"), "official copy": official, **about}
        show_table([[key, value] for key, value in facts.items()], ["", args.name], f"note: {note}" if note else "", markdown=args.markdown)
    return 0


def run_prepare(args: Namespace) -> int:
    """Read the files once into the cache."""
    from posebench import open_dataset
    from posebench.base.progress import progress

    started = time.perf_counter()
    with progress(f"preparing {args.name}") as advance:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras, progress=advance)
    official = "the official copy" if dataset.official else f"not the official copy: {dataset.note}"
    remark(
        f"{dataset.name} {dataset.version}: {len(dataset.infos)} clips, {sum(info.frames for info in dataset.infos.values()):,} poses,"
        f" {official}; fingerprint {dataset.fingerprint[:16]}; {time.perf_counter() - started:.1f} s"
    )
    return 0


def run_export(args: Namespace) -> int:
    """Write a dataset in another layout."""
    from posebench import open_dataset
    from posebench.base.progress import progress
    from posebench.data.registry import export_layouts

    layouts = export_layouts()
    if args.layout not in layouts:
        advice = did_you_mean(args.layout, layouts, "correct --layout")
        raise PosebenchError(f"layout {args.layout!r}", "one of " + ", ".join(layouts), advice)
    if args.as_distributed and args.layout not in DATASETS["h36m"].layouts:
        wanted = f"one of {', '.join(DATASETS['h36m'].layouts)}"
        raise PosebenchError(f"--as-distributed with layout {args.layout}", wanted, "leave --as-distributed out")
    with progress(f"exporting {args.name} as {args.layout}", announced=True) as advance:
        dataset = open_dataset(args.name, args.root, cameras=args.cameras)
        if args.as_distributed:
            from posebench.data.h36m.distribution import as_distributed

            dataset = as_distributed(dataset)
        layouts[args.layout](dataset, Path(args.output), advance)
    remark(f"{args.output}: {args.name} in the layout {args.layout}")
    return 0


def run_new(args: Namespace) -> int:
    """Write a card, and say what is left to answer."""
    from posebench.data.own.template import new_card

    made = new_card(args.folder, args.files)
    takes = f"{made.takes} take{'' if made.takes == 1 else 's'}"
    left = f"; to answer: {', '.join(made.questions)}" if made.questions else ""
    remark(f"{made.path}: {takes}{left}\n\nNext: posebench data info own --root {args.folder}")
    return 0


def run_fetch(args: Namespace) -> int:
    """Download the free dataset."""
    name, spec = args.name, DATASETS[args.name]
    assert spec.fetch is not None, "the parser admits only datasets that can be fetched"
    folder = spec.fetch(args.output or spec.fetched)
    thanks = f"{name.upper()} asks for this acknowledgment:\n{spec.acknowledgement}\n\n" if spec.acknowledgement else ""
    remark(f"{folder}\n\n{thanks}Next: posebench data prepare {name} --root {folder}")
    return 0
