"""The page of one entry: what it reaches, how it compares, where it is good and bad, and how to make it again."""

from __future__ import annotations

from importlib.util import find_spec

import pandas as pd

from posebench.board.entry import BY_JOINT, Entry
from posebench.board.pages.tables import metric_cell, metrics_of
from posebench.board.rank import PRIMARY, Ranking
from posebench.data.registry import needs_root
from posebench.display.table import table
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.scoring.protocol import Protocol
from posebench.scoring.sums import group_means

#: Shown by action, as far as the method has them.
_BY_ACTION = (PRIMARY, "N-MPJPE", "MPJPE")
#: Lifters without a training that `posebench predict` knows by name.
_SIMPLE = ("flat", "mean-pose")


def entry_page(ranking: Ranking, number: int, protocol: Protocol) -> str:
    """The page of the ``number``-th entry of a ranking, in markdown."""
    entry, seed, row = ranking.entries[number], ranking.shown[number], ranking.frame.iloc[number]
    up = "../" * (1 + len(protocol.id.split("/")))
    chosen = "" if len(entry.seeds) == 1 else f" Where one seed is shown it is number {_seed_number(entry, seed)}, of median {PRIMARY}."
    parts = [
        f"# {entry.label} on `{protocol.id}`, keypoints `{entry.keypoints}`\n",
        f"Made by `posebench board render` from [{entry.name}.json]({entry.name}.json); do not edit by hand."
        f" All rows of this table: [leaderboard]({up}README.md).\n",
        f"3D seen in training: {entry.supervision}. Scale of its poses: {entry.scale}. Protocol version {entry.protocol['version']}, digest"
        f" `{entry.protocol['digest']}`. Data: {entry.data['name']} {entry.data['version']}, fingerprint"
        f" `{entry.data['fingerprint'][:16]}`, {len({take for take, _, _ in entry.takes})} takes. Seeds: {len(entry.seeds)}.{chosen}\n",
        f"## Values\n\nAverage by {entry.protocol['headline']}; in brackets the 95 % interval over takes.\n",
        _values(ranking, entry, row, protocol),
        *_against(ranking, entry),
        *_by_action(entry, seed),
        *_by_joint(entry, seed),
        *_behaviour(entry, seed),
        *_provenance(entry),
        _commands(entry, protocol),
    ]
    return "\n".join(parts)


def _seed_number(entry: Entry, seed: int) -> int:
    made = entry.seeds[seed].provenance
    return made.seed if made else seed


def _values(ranking: Ranking, entry: Entry, row: pd.Series, protocol: Protocol) -> str:
    lines = []
    for metric in metrics_of(protocol, list(entry.units)):
        if metric in ranking.frame and (text := metric_cell(row, metric, interval=True)):
            spread = f"{row[f'{metric} seed low']:.1f} to {row[f'{metric} seed high']:.1f}" if len(entry.seeds) > 1 else ""
            lines.append([metric, entry.units[metric], text, spread])
    return table(lines, ["metric", "unit", "value", "over seeds"], right=(2,), form="markdown") + "\n"


def _against(ranking: Ranking, entry: Entry) -> list[str]:
    lines = []
    for other in ranking.entries:
        for pair in ranking.pairs:
            if {pair.a, pair.b} == {entry.label, other.label}:
                sign = 1.0 if pair.a == entry.label else -1.0
                bounds = [sign * bound for bound in (pair.low, pair.high) if bound is not None]
                interval = f" [{min(bounds):+.1f}, {max(bounds):+.1f}]" if bounds else ""
                verdict = "no" if not pair.separable else "yes, better" if sign * pair.value < 0 else "yes, worse"
                lines.append([other.label, f"{sign * pair.value:+.1f}{interval}", verdict])
    if not lines:
        return []
    unit = entry.units[PRIMARY]
    return [
        f"## Against the other rows\n\n{PRIMARY} of this row minus that of the other, paired over takes, with the pair's own interval."
        " Below 0 this row is better; the verdict is Holm-adjusted over all pairs of the table.\n",
        table(lines, ["other", f"difference [{unit}]", "separable"], right=(1,), form="markdown") + "\n",
    ]


def _by_action(entry: Entry, seed: int) -> list[str]:
    metrics = [metric for metric in _BY_ACTION if metric in entry.seeds[seed].sums]
    means = {metric: group_means(entry.rows, entry.seeds[seed].of(metric), "action") for metric in metrics}
    actions = list(dict.fromkeys(action for _, _, action in entry.takes))
    lines = []
    for action in actions:
        takes = len({take for take, _, its in entry.takes if its == action})
        lines.append([action, takes, *(_one(means[metric].get(action)) for metric in metrics)])
    heads = ["action", "takes", *(f"{metric} [{entry.units[metric]}]" for metric in metrics)]
    return ["## By action\n\nAll frames of an action alike.\n", table(lines, heads, right=range(1, len(heads)), form="markdown") + "\n"]


def _by_joint(entry: Entry, seed: int) -> list[str]:
    kind = entry.protocol["headline"]
    values = {metric: found for metric in BY_JOINT if (found := entry.by_joint(metric, kind, seed))}
    if not values:
        return []
    joints = list(dict.fromkeys(joint for found in values.values() for joint in found))
    lines = [[joint, *(_one(found.get(joint)) for found in values.values())] for joint in joints]
    heads = ["joint", *(f"{metric} [{entry.units[metric]}]" for metric in values)]
    return [f"## By joint\n\nAverage by {kind}.\n", table(lines, heads, right=range(1, len(heads)), form="markdown") + "\n"]


def _one(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _behaviour(entry: Entry, seed: int) -> list[str]:
    signs = entry.seeds[seed].behaviour
    if not signs:
        return []
    lines = [[sign, *(f"{table[sign]:.2f}" if sign in table else "" for table in signs.values())] for sign in BEHAVIOUR]
    about = "## What the lifter does\n\nBeside how far off it is; `posebench.behaviour` says what each sign means.\n"
    return [about, table(lines, ["sign", *signs], right=range(1, 1 + len(signs)), form="markdown") + "\n"]


def _provenance(entry: Entry) -> list[str]:
    parts = ["## Where it comes from\n"]
    made = entry.seeds[0].provenance
    if made:
        facts = {
            "recipe, preset": f"{made.recipe}, {made.preset}",
            "trained on": f"{made.trained_on}, keypoints {made.trained_keypoints}",
            "poses seen": f"{made.poses_seen:,} in {made.epochs} epochs",
            "parameters": f"{made.parameters:,}",
            "frames of context": made.context,
            "flip averaging": "yes" if made.flip_averaging else "no",
            "told beside its supervision": "; ".join(made.side_information) or "nothing",
            "extra data": "; ".join(made.extra_data) or "none",
            **({"taught by": made.common.teacher} if made.teacher else {}),
        }
        parts.append(table([[name, fact] for name, fact in facts.items()], ["", "of all seeds"], form="markdown") + "\n")
    for number, seed in enumerate(entry.seeds):
        spent = seed.training
        trained = [f"{float(spent['cpu_seconds']) / 60:.1f} CPU minutes"] if "cpu_seconds" in spent else []
        trained += [f"{float(spent['teacher_cpu_seconds']) / 60:.1f} of them its teacher's"] if "teacher_cpu_seconds" in spent else []
        trained += [f"{name} {spent[name]}" for name in ("device", "processor", "threads", "torch") if name in spent]
        trained += [f"commit {spent['code']}"] if "code" in spent else []
        trained += [f"taught by {seed.provenance.teacher}"] if seed.provenance and seed.provenance.teacher else []
        scored = "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(seed.environment)
        told = f" Trained: {', '.join(trained)}." if trained else ""
        parts.append(
            f"* Seed {_seed_number(entry, number)}: {_one(entry.value(PRIMARY, entry.protocol['headline'], number))}"
            f" {entry.units[PRIMARY]} {PRIMARY}. Predictions sha256 `{seed.predictions}`.{told} Scored with {scored}."
        )
    return [*parts, ""]


def _commands(entry: Entry, protocol: Protocol) -> str:
    """What makes the entry again; of predictions from elsewhere, what scores them."""
    root = " --root DIR" if needs_root(protocol.dataset) else ""
    on = f"--dataset {protocol.dataset}{root} --keypoints {entry.keypoints}"
    score = f"posebench score {{0}} --protocol {protocol.id}{root} -o {{1}}"
    made, lines, results = entry.seeds[0].provenance, [], []
    known = entry.method in _SIMPLE or (entry.method.isidentifier() and find_spec(f"posebench.baselines.{entry.method}") is not None)
    if made and known:
        home = entry.learnt_on == entry.data["name"]
        beside = "" if not needs_root(entry.learnt_on) else root if home else f" --root {entry.learnt_on.upper()}"
        recipe = "" if made.recipe == "default" else f" --recipe {made.recipe}"
        for number in range(len(entry.seeds)):
            seed = _seed_number(entry, number)
            run = f"runs/{entry.name}-s{seed}"
            threads = entry.seeds[number].training.get("threads")
            counted = f" --threads {threads}" if threads else ""
            lines.append(
                f"posebench train {entry.method} --dataset {entry.learnt_on}{beside} --keypoints {made.trained_keypoints}{recipe}"
                f" --preset {made.preset} --seed {seed}{counted} -o {run}"
            )
            # A run scores itself on the data it was trained for, under the dataset's usual protocol; elsewhere it must be told to.
            predictions, result = f"{run}/predictions.npz", f"{run}/result.json"
            if not home:
                predictions = f"{run}/{protocol.dataset}.npz"
                lines.append(f"posebench predict {run} {on} -o {predictions}")
            if not home or protocol.id != protocol.dataset:
                result = f"{run}/{protocol.id.replace('/', '-')}.json"
                lines.append(score.format(predictions, result))
            results.append(result)
        says = "With one count of threads on one machine, a training on the CPU gives the same bytes each time."
    elif known:
        lines = [f"posebench predict {entry.method} {on} -o {entry.name}.npz", score.format(f"{entry.name}.npz", f"{entry.name}-r.json")]
        results = [f"{entry.name}-r.json"]
        says = "Nothing is drawn at random."
    else:
        results = [f"{entry.name}-r{number}.json" for number in range(len(entry.seeds))]
        lines = [score.format(f"PREDICTIONS{number}.npz", result) for number, result in enumerate(results)]
        says = "The predictions come from the method's authors, not from posebench: the digests above say which files were scored."
    lines.append("posebench board add " + " ".join(results) + " && posebench board render")
    return "\n".join([f"## To make it again\n\n{says}\n", "```bash", *lines, "```\n"])
