"""Protocols: list, show, find."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import add_json, completed
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import print_json, show, show_table


def configure(parser: Parser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "every protocol that comes with posebench", run_list)
    listed.example = "posebench protocol list"
    add_json(listed)
    shown = verbs.add("show", "everything a protocol states", run_show)
    shown.example = "posebench protocol show h36m/s9s11"
    shown.listed = lambda: {"protocols": choices.protocols()}
    id = shown.add_argument("id", metavar="ID", help="an id of `posebench protocol list`, or a .toml file")
    completed(id, lambda _: choices.protocols(), or_path=True)
    found = verbs.add("find", "which protocols papers have meant by a label", run_find)
    found.example = "posebench protocol find 'Protocol #2'"
    found.add_argument("label", metavar="LABEL", help="for example 'Protocol #2'")
    add_json(found)


def run_list(args: Namespace) -> int:
    """Every protocol."""
    from posebench import load_protocol, protocol_ids

    protocols = [load_protocol(id) for id in protocol_ids()]
    if args.json:
        print_json([{"id": p.id, "version": p.version, "digest": p.digest, "dataset": p.dataset, "title": p.title} for p in protocols])
    else:
        rows: list[list[object]] = [[p.id, p.version, p.digest, p.dataset, p.title] for p in protocols]
        show_table(rows, ["id", "version", "digest", "dataset", "title"], markdown=args.markdown)
    return 0


def run_show(args: Namespace) -> int:
    """One protocol, as resolved."""
    from posebench.display.document import Document, Paragraph
    from posebench.scoring.protocol import describe, load_protocol

    # Each line is a word in the first eleven columns and what it is about; the notes at the end are plain text.
    paragraphs = describe(load_protocol(args.id)).split("\n\n")
    show(Document(Paragraph(text, hanging=11 if text[10:11] == " " and text[11:12] != " " else 0) for text in paragraphs))
    return 0


def run_find(args: Namespace) -> int:
    """Protocols that a label has meant; exit 1 if none."""
    from posebench import find_protocols

    found = find_protocols(args.label)
    if args.json:
        print_json([{"id": protocol.id, "label": label, "title": protocol.title} for protocol, label in found])
    elif found:
        rows: list[list[object]] = [[protocol.id, label, protocol.title] for protocol, label in found]
        show_table(rows, ["id", "matched", "title"], markdown=args.markdown)
    if not found:
        raise PosebenchError(
            f"no protocol cited as {args.label!r}", "a label that a protocol's aliases hold", "posebench protocol list", exit_code=1
        )
    return 0
