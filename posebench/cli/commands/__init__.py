"""The commands, one file each: ``configure(parser)`` states the options; ``run(args)`` calls the library, prints, returns the exit code.

Imports everything; what a command needs is imported where it runs, so that ``--help`` stays light.
Start with ``score.py``. :data:`COMMANDS` lists them in the order of ``posebench --help``.
"""

#: Every command and what it does in one line. Files of this folder have these names.
COMMANDS = {
    "demo": "score, compare and draw on generated data; writes only under ./posebench-demo",
    "data": "list, inspect, fetch, prepare and export datasets",
    "protocol": "list, show and find protocols",
    "check": "is a prediction file sound, and complete under a protocol?",
    "score": "score prediction files under a protocol",
    "explain": "the score under the conventions of other projects; what explains the difference of two: docs/explain.md",
    "diagnose": "where does the error of a prediction file come from, and what would a fix gain?",
    "convert": "write a file of another project in posebench's own format",
    "compare": "paired differences between results, with intervals and a verdict",
    "robustness": "how methods fail under errors of keypoints, other cameras and other people: docs/robustness.md",
    "report": "one HTML page on results: numbers, comparison, causes of the error, skeletons; docs/report.md",
    "board": "a leaderboard in which only comparable rows meet",
    "train": "train a baseline, predict the test split and score it; leaves a run folder",
    "regenerate": "train what the leaderboard lacks or what is stale, and add it: docs/regenerate.md",
    "reproduce": "which published numbers a licensed copy may reach, by which commands, and whether a run did: docs/reproduce.md",
    "draw": "draw random poses of a split, true and predicted, or set poses in motion (.gif, .html)",
    "predict": "run a lifter over a dataset and write a prediction file",
    "lift": "lift a detector's file of 2D joints, without a dataset: docs/lift.md",
    "models": "trained lifters that come with posebench: list them, add one",
    "speed": "time lifters side by side, or compare two timing records: docs/speed.md",
    "export": "write the lifter of a training run as an ONNX file with its TOML",
    "completion": "print the script with which bash, zsh or fish completes the command line",
}
