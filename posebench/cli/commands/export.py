"""A trained lifter as an ONNX file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from posebench.base.errors import needs


def configure(parser: ArgumentParser) -> None:
    """The run and the file."""
    parser.epilog = "Example: posebench export runs/martinez -o martinez.onnx"
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="CPU threads; 0 for PyTorch's choice (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="MODEL", required=True, help="model.onnx; model.toml is written next to it")


def run(args: Namespace) -> int:
    """Export, and compare the two."""
    from importlib import import_module

    with needs("export", extra="baselines"):
        for package in ("onnx", "onnxruntime", "onnxscript"):  # missing packages are reported before any work is done
            import_module(package)
        from posebench.lifters.onnx.export import export_run
    done = export_run(args.run_folder, args.output, threads=args.threads)
    print(f"{done.network} and {done.card}: as {args.run_folder} to within {done.difference:.1e} of the largest coordinate")
    return 0
