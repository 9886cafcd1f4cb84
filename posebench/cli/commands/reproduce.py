"""Reproduce a paper's number: list, show, check."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli import choices
from posebench.cli.options import add_json, completed
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import print_json, show


def configure(parser: Parser) -> None:
    """Its verbs."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "every published number that a licensed copy may reach, with its cost", run_list)
    listed.example = "posebench reproduce list"
    add_json(listed)
    shown = verbs.add("show", "a target's commands, expected numbers, and what stays different from the paper", run_show)
    shown.example = "posebench reproduce show martinez-gt"
    completed(shown.add_argument("target", metavar="TARGET", help="an id of `posebench reproduce list`"), lambda _: choices.targets())
    add_json(shown)
    checked = verbs.add(
        "check", "does a run's number lie within the tolerance, and what differs? exit 1 if not, or if anything does", run_check
    )
    checked.example = "posebench reproduce check runs/chen2019-gt-s0 runs/chen2019-gt-s1 runs/chen2019-gt-s2"
    checked.add_argument("results", metavar="RUN", nargs="+", help="a run's folder or a result file; several seeds of one training")
    known = "the target (default: the one that the run fits best; the report names it)"
    completed(checked.add_argument("--target", metavar="TARGET", help=known), lambda _: choices.targets())
    add_json(checked)


def run_list(args: Namespace) -> int:
    """Every target."""
    from posebench.board.targets.documents import as_json, listed
    from posebench.board.targets.reader import load_targets

    targets = load_targets()
    if args.json:
        print_json([as_json(targets, target) for target in targets.targets])
    else:
        show(listed(targets), markdown=args.markdown)
    return 0


def run_show(args: Namespace) -> int:
    """One target."""
    from posebench.board.targets.documents import as_json, shown
    from posebench.board.targets.reader import find_target, load_targets

    targets = load_targets()
    target = find_target(targets, args.target)
    if args.json:
        print_json(as_json(targets, target))
    else:
        show(shown(targets, target), markdown=args.markdown)
    return 0


def run_check(args: Namespace) -> int:
    """Results against their target; exit 1 unless all numbers are within and nothing differs."""
    from posebench.board.targets.check import check_results
    from posebench.board.targets.reader import load_targets

    verdict = check_results(load_targets(), args.results, args.target)
    if args.json:
        print_json(verdict.as_dict())
    else:
        show(verdict.document(), markdown=args.markdown)
    return 0 if verdict.reproduced else 1
