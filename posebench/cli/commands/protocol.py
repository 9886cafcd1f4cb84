"""Protocols: list, show, find."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.base.errors import PosebenchError
from posebench.cli.options import add_json
from posebench.cli.parser import add_verbs
from posebench.cli.printing import print_json, print_table


def configure(parser: ArgumentParser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "every protocol that comes with posebench", run_list)
    add_json(listed)
    shown = verbs.add("show", "everything a protocol states", run_show)
    shown.epilog = "Example: posebench protocol show h36m/s9s11"
    shown.add_argument("id", metavar="ID", help="an id of `posebench protocol list`, or a .toml file")
    found = verbs.add("find", "which protocols papers have meant by a label", run_find)
    found.epilog = "Example: posebench protocol find 'Protocol #2'"
    found.add_argument("label", metavar="LABEL", help="for example 'Protocol #2'")
    add_json(found)


def run_list(args: Namespace) -> int:
    """Every protocol."""
    from posebench import load_protocol, protocol_ids

    protocols = [load_protocol(id) for id in protocol_ids()]
    if args.json:
        print_json([{"id": p.id, "version": p.version, "digest": p.digest, "dataset": p.dataset, "title": p.title} for p in protocols])
    else:
        print_table([[p.id, p.version, p.digest, p.dataset, p.title] for p in protocols], ["id", "version", "digest", "dataset", "title"])
    return 0


def run_show(args: Namespace) -> int:
    """One protocol, as resolved."""
    from posebench.scoring.protocol import describe, load_protocol

    print(describe(load_protocol(args.id)))
    return 0


def run_find(args: Namespace) -> int:
    """Protocols that a label has meant; exit 1 if none."""
    from posebench import find_protocols

    found = find_protocols(args.label)
    if args.json:
        print_json([{"id": protocol.id, "label": label, "title": protocol.title} for protocol, label in found])
    elif found:
        print_table([[protocol.id, label, protocol.title] for protocol, label in found], ["id", "matched", "title"])
    if not found:
        raise PosebenchError(
            f"no protocol cited as {args.label!r}", "a label that a protocol's aliases hold", "posebench protocol list", exit_code=1
        )
    return 0
