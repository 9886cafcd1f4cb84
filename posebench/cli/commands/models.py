"""Trained lifters that come with posebench."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from posebench.cli.options import add_json
from posebench.cli.parser import Parser, add_verbs
from posebench.cli.printing import print_json, remark, show_table


def configure(parser: Parser) -> None:
    """Its verbs; without one it lists."""
    verbs = add_verbs(parser)
    listed = verbs.add("list", "the models, what they were trained on, and their scores (also without a verb)", run_list)
    listed.example = "posebench models list"
    add_json(listed)
    parser.set_defaults(run=run_list, json=False, markdown=False)
    add = verbs.add("add", "copy what lifting needs of a run to the models, and note its digests", run_add)
    add.example = "posebench models add runs/martinez"
    add.add_argument("runs", metavar="RUN", nargs="+", help="folder of a finished training run")
    add.add_argument("--name", metavar="NAME", default="", help="of the model (default: the method, with +recipe where that is not tuned)")
    add.add_argument("--half", action="store_true", help="store matrices as 16-bit floats: half the size, and slightly other poses")


def run_list(args: Namespace) -> int:
    """Models and their facts."""
    from dataclasses import asdict

    from posebench.lifters.shipped import in_checkout, list_models

    models = list_models()
    if args.json:
        print_json([asdict(model) for model in models])
        return 0
    if not models:
        why = "" if in_checkout() else ": they come with the checkout, and this is an installed package"
        remark(f"No trained model is here{why}. A run folder of `posebench train` lifts as well: posebench lift KEYPOINTS --with RUN")
        return 0
    rows: list[list[object]] = [
        [
            model.name,
            f"{model.recipe} ({model.preset}), seed {model.seed}",
            model.supervision,
            " ".join(model.trained_on.split()[:2]),
            model.scale,
            ", ".join(f"{name} {value:g}" for name, value in model.values.items()) + (f" on {model.protocol}" if model.protocol else ""),
            f"{model.bytes / 1e6:.1f} MB" + (", 16 bits" if model.half else ""),
        ]
        for model in models
    ]
    heads = ["model", "recipe", "3D seen in training", "trained on", "scale", "scores in mm", "size"]
    show_table(rows, heads, "posebench lift KEYPOINTS --with MODEL lifts a detector's file.", markdown=args.markdown)
    return 0


def run_add(args: Namespace) -> int:
    """Runs become models."""
    from posebench.base.errors import PosebenchError
    from posebench.lifters.shipped import add_model, weights_folder

    if args.name and len(args.runs) > 1:
        raise PosebenchError(f"--name with {len(args.runs)} runs", "one run", "leave --name out, or add one at a time")
    for run in args.runs:
        model = add_model(Path(run), name=args.name, half=args.half)
        remark(f"{weights_folder() / model.name}: {model.bytes / 1e6:.1f} MB")
    return 0
