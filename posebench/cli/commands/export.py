"""A trained lifter as an ONNX file."""

from __future__ import annotations

from argparse import Namespace

from posebench.base.errors import needs
from posebench.cli.options import add_threads
from posebench.cli.parser import Parser
from posebench.cli.printing import remark


def configure(parser: Parser) -> None:
    """The run and the file."""
    parser.example = "posebench export runs/martinez -o martinez.onnx"
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    add_threads(parser, "of PyTorch and ONNX Runtime; 0 for their own choice")
    parser.add_argument("-o", "--output", metavar="MODEL", required=True, help="model.onnx; model.toml is written next to it")


def run(args: Namespace) -> int:
    """Export, and compare the two."""
    from importlib import import_module

    from posebench.base.progress import progress

    with progress(f"exporting {args.run_folder}", announced=True):
        with needs("export", extra="baselines"):
            for package in ("onnx", "onnxruntime", "onnxscript"):  # missing packages are reported before any work is done
                import_module(package)
            from posebench.lifters.onnx.export import export_run
        done = export_run(args.run_folder, args.output, threads=args.threads)
    remark(f"{done.network} and {done.card}: as {args.run_folder} to within {done.difference:.1e} of the largest coordinate")
    return 0
