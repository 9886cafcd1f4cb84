"""The page of one entry: values, comparisons, values by action and joint, diagnostics, provenance, commands."""

from __future__ import annotations

import pandas as pd

from posebench.board.entry import BY_JOINT, Entry
from posebench.board.pages.provenance import DIAGNOSTICS_PAGE
from posebench.board.pages.tables import metric_cell, metrics_of
from posebench.board.rank import PRIMARY, Ranking
from posebench.data.registry import needs_root
from posebench.display.table import table
from posebench.lifters import simple_lifters
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.networks.recipe import baselines
from posebench.scoring.protocol import Protocol
from posebench.scoring.sums import group_means

#: Shown by action, where the method has them.
_BY_ACTION = (PRIMARY, "N-MPJPE", "MPJPE")


def entry_page(ranking: Ranking, number: int, protocol: Protocol) -> str:
    """The page of the ``number``-th entry of a ranking, in markdown."""
    entry, seed, row = ranking.entries[number], ranking.shown[number], ranking.frame.iloc[number]
    up = "../" * (1 + len(protocol.id.split("/")))
    chosen = "" if len(entry.seeds) == 1 else f" Tables of one seed show seed {_seed_number(entry, seed)}, of median {PRIMARY}."
    parts = [
        f"# {entry.label} on `{protocol.id}`, keypoints `{entry.keypoints}`\n",
        f"Made by `posebench board render` from [{entry.name}.json]({entry.name}.json); do not edit by hand."
        f" All rows of this table: [leaderboard]({up}README.md).\n",
        f"Supervision (3D seen in training): {entry.supervision}. Scale of the poses: {entry.scale}."
        f" Protocol version {entry.protocol['version']}, digest `{entry.protocol['digest']}`."
        f" Data: {entry.data['name']} {entry.data['version']}, fingerprint"
        f" `{entry.data['fingerprint'][:16]}`, {len({take for take, _, _ in entry.takes})} takes. Seeds: {len(entry.seeds)}.{chosen}\n",
        f"## Values\n\nAverage by {entry.protocol['headline']}; in brackets the 95 % interval over takes.\n",
        _values(ranking, entry, row, protocol),
        *_against(ranking, entry),
        *_by_action(entry, seed),
        *_by_joint(entry, seed),
        *_diagnostics(entry, seed, up),
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
    return table(lines, ["metric", "unit", "value", "range over seeds"], right=(2,), form="markdown") + "\n"


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
        f"## Comparisons\n\n{PRIMARY} of this method minus the other's, paired over takes, with the 95 % interval of the pair. Below 0 this"
        " method is better. Significance is with Holm correction over all pairs of the table.\n",
        table(lines, ["other", f"difference [{unit}]", "significant"], right=(1,), form="markdown") + "\n",
    ]


def _by_action(entry: Entry, seed: int) -> list[str]:
    metrics = [metric for metric in _BY_ACTION if metric in entry.seeds[seed].sums]
    means = {metric: group_means(entry.rows, entry.seeds[seed].of(metric), "action") for metric in metrics}
    actions = list(dict.fromkeys(action for _, _, action in entry.takes))
    lines = []
    for action in actions:
        takes = len({take for take, _, its in entry.takes if its == action})
        lines.append([action, takes, *(_one_decimal(means[metric].get(action)) for metric in metrics)])
    heads = ["action", "takes", *(f"{metric} [{entry.units[metric]}]" for metric in metrics)]
    return ["## By action\n\nFrame-weighted.\n", table(lines, heads, right=range(1, len(heads)), form="markdown") + "\n"]


def _by_joint(entry: Entry, seed: int) -> list[str]:
    kind = entry.protocol["headline"]
    values = {metric: found for metric in BY_JOINT if (found := entry.by_joint(metric, kind, seed))}
    if not values:
        return []
    joints = list(dict.fromkeys(joint for found in values.values() for joint in found))
    lines = [[joint, *(_one_decimal(found.get(joint)) for found in values.values())] for joint in joints]
    heads = ["joint", *(f"{metric} [{entry.units[metric]}]" for metric in values)]
    return [f"## By joint\n\nAverage by {kind}.\n", table(lines, heads, right=range(1, len(heads)), form="markdown") + "\n"]


def _one_decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _diagnostics(entry: Entry, seed: int, up: str) -> list[str]:
    diagnostics = entry.seeds[seed].behaviour
    if not diagnostics:
        return []
    lines = [[name, *(f"{values[name]:.2f}" if name in values else "" for values in diagnostics.values())] for name in BEHAVIOUR]
    about = f"## Diagnostics\n\nWithout ground truth; [what each number shows]({up}{DIAGNOSTICS_PAGE}).\n"
    return [about, table(lines, ["diagnostic", *diagnostics], right=range(1, 1 + len(BEHAVIOUR)), form="markdown") + "\n"]


def _provenance(entry: Entry) -> list[str]:
    """The training of all seeds as a table, then a line for each seed."""
    parts = ["## Provenance\n"]
    made = entry.seeds[0].provenance
    if made:
        facts = {
            "recipe, preset": f"{made.recipe}, {made.preset}",
            "trained on": f"{made.trained_on}, keypoints {made.trained_keypoints}",
            "training poses": f"{made.poses_seen:,} in {made.epochs} epochs",
            "parameters": f"{made.parameters:,}",
            "context [frames]": made.context,
            "flip averaging": "yes" if made.flip_averaging else "no",
            "side information": "; ".join(made.side_information) or "none",
            "extra data": "; ".join(made.extra_data) or "none",
            **({"teacher": made.common.teacher} if made.teacher else {}),
        }
        parts.append(table([[name, fact] for name, fact in facts.items()], ["", "all seeds"], form="markdown") + "\n")
    return [*parts, *(_seed_line(entry, number) for number in range(len(entry.seeds))), ""]


def _seed_line(entry: Entry, number: int) -> str:
    seed = entry.seeds[number]
    facts = seed.training
    trained = [f"{float(facts['cpu_seconds']) / 60:.1f} CPU minutes"] if "cpu_seconds" in facts else []
    trained += [f"{float(facts['teacher_cpu_seconds']) / 60:.1f} of them for its teacher"] if "teacher_cpu_seconds" in facts else []
    trained += [f"{name} {facts[name]}" for name in ("device", "processor", "threads", "torch") if name in facts]
    trained += [f"commit {facts['code']}"] if "code" in facts else []
    trained += [f"teacher {seed.provenance.teacher}"] if seed.provenance and seed.provenance.teacher else []
    training = f" Trained: {', '.join(trained)}." if trained else ""
    scored = "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(seed.environment)
    value = _one_decimal(entry.value(PRIMARY, entry.protocol["headline"], number))
    return (
        f"* Seed {_seed_number(entry, number)}: {value} {entry.units[PRIMARY]} {PRIMARY}."
        f" Predictions sha256 `{seed.predictions}`.{training} Scored with {scored}."
    )


def _commands(entry: Entry, protocol: Protocol) -> str:
    """The commands that make the entry again; for predictions from elsewhere, those that score them."""
    if entry.method in baselines() and entry.seeds[0].provenance:
        note = "With the same number of threads on the same machine, a training on the CPU gives the same bytes each time."
        lines, results = _training_commands(entry, protocol)
    elif entry.method in simple_lifters():
        note = "No random numbers are used."
        file, results = f"{entry.name}.npz", [f"{entry.name}-r.json"]
        lines = [f"posebench predict {entry.method} {_data_options(entry, protocol)} -o {file}", _score_command(protocol, file, results[0])]
    else:
        note = "The predictions come from the method's authors. The digests above identify the files that were scored."
        results = [f"{entry.name}-r{number}.json" for number in range(len(entry.seeds))]
        lines = [_score_command(protocol, f"PREDICTIONS{number}.npz", result) for number, result in enumerate(results)]
    lines.append("posebench board add " + " ".join(results) + " && posebench board render")
    return "\n".join([f"## Reproduce\n\n{note}\n", "```bash", *lines, "```\n"])


def _training_commands(entry: Entry, protocol: Protocol) -> tuple[list[str], list[str]]:
    """Commands that train and score every seed, and the results that they write."""
    made = entry.seeds[0].provenance
    assert made is not None, "only trained entries come here"
    same_data = entry.learnt_on == entry.data["name"]
    # With two datasets DIR is the folder of the test data, and the training data have a name of their own.
    root = "" if not needs_root(entry.learnt_on) else " --root DIR" if same_data else f" --root {entry.learnt_on.upper()}"
    recipe = "" if made.recipe == "default" else f" --recipe {made.recipe}"
    lines, results = [], []
    for number, seed in enumerate(entry.seeds):
        run = f"runs/{entry.name}-s{_seed_number(entry, number)}"
        threads = f" --threads {seed.training['threads']}" if seed.training.get("threads") else ""
        lines.append(
            f"posebench train {entry.method} --dataset {entry.learnt_on}{root} --keypoints {made.trained_keypoints}{recipe}"
            f" --preset {made.preset} --seed {_seed_number(entry, number)}{threads} -o {run}"
        )
        # A training scores itself on its own dataset under the usual protocol; anything else takes more commands.
        predictions, result = f"{run}/predictions.npz", f"{run}/result.json"
        if not same_data:
            predictions = f"{run}/{protocol.dataset}.npz"
            lines.append(f"posebench predict {run} {_data_options(entry, protocol)} -o {predictions}")
        if not same_data or protocol.id != protocol.dataset:
            result = f"{run}/{protocol.id.replace('/', '-')}.json"
            lines.append(_score_command(protocol, predictions, result))
        results.append(result)
    return lines, results


def _root_option(protocol: Protocol) -> str:
    return " --root DIR" if needs_root(protocol.dataset) else ""


def _data_options(entry: Entry, protocol: Protocol) -> str:
    return f"--dataset {protocol.dataset}{_root_option(protocol)} --keypoints {entry.keypoints}"


def _score_command(protocol: Protocol, predictions: str, result: str) -> str:
    return f"posebench score {predictions} --protocol {protocol.id}{_root_option(protocol)} -o {result}"
