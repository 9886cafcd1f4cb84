"""The page of one entry: values, comparisons, errors by action and joint, provenance, and the commands that make it again."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote

from posebench.base.errors import printable
from posebench.base.escape import markdown_code, markdown_text
from posebench.board.entry import BY_JOINT, PRIMARY, Entry
from posebench.board.pages.ablations import difference_cell, verdict
from posebench.board.pages.provenance import DIAGNOSTICS_PAGE
from posebench.board.pages.tables import FACT_TITLES, method_page, metric_cell
from posebench.board.rank import Ranking, metrics_of
from posebench.data.registry import needs_root
from posebench.display.tables import markdown_table
from posebench.lifters import simple_lifters
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.networks.recipe import baselines
from posebench.predictions.forms import TUNED
from posebench.scoring.protocol import Protocol
from posebench.scoring.sums import group_means

#: Shown by action, if the method has them.
_BY_ACTION = (PRIMARY, "N-MPJPE", "MPJPE")


def entry_page(ranking: Ranking, number: int, protocol: Protocol) -> str:
    """The page of the ``number``-th entry of a ranking, in markdown."""
    entry, seed, row = ranking.entries[number], ranking.shown[number], ranking.frame.iloc[number].to_dict()
    up = "../" * (1 + len(protocol.id.split("/")))
    chosen = (
        "" if len(entry.seeds) == 1 else f" Where one seed is shown, it is number {_seed_number(entry, seed)}, the one of median {PRIMARY}."
    )
    parts = [
        f"# {markdown_text(entry.label)} on `{protocol.id}`, keypoints {markdown_code(entry.keypoints)}\n",
        f"Made by `posebench board render` from [{markdown_text(entry.name)}.json]({quote(entry.name, safe='@+')}.json); do not edit by"
        " hand."
        f" All rows of this table: [leaderboard]({up}README.md).{_method_page(entry, up)}\n",
        f"Form: {entry.form}. Supervision: {entry.supervision_in_words}. Scale of its poses: {entry.scale}. Protocol version"
        f" {entry.protocol['version']}, digest {markdown_code(entry.protocol['digest'])}. Data: {markdown_text(entry.data['name'])}"
        f" {markdown_text(entry.data['version'])}, fingerprint {markdown_code(entry.data['fingerprint'][:16])},"
        f" {len({take for take, _, _ in entry.takes})} takes. Seeds: {len(entry.seeds)}.{chosen}\n",
        *([f"**Not ranked**: {entry.why_unranked}.\n"] if entry.why_unranked else []),
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


def _method_page(entry: Entry, up: str) -> str:
    page = method_page(entry.method)
    return f" The method: [{markdown_text(entry.method)}]({up}{page})." if page else ""


def _seed_number(entry: Entry, seed: int) -> int:
    made = entry.seeds[seed].provenance
    return made.seed if made else seed


def _values(ranking: Ranking, entry: Entry, row: Mapping[Hashable, Any], protocol: Protocol) -> str:
    lines = []
    for metric in metrics_of(protocol, list(entry.units)):
        if metric in ranking.frame and (text := metric_cell(row, metric, interval=True)):
            spread = f"{row[f'{metric} seed low']:.1f} to {row[f'{metric} seed high']:.1f}" if len(entry.seeds) > 1 else ""
            lines.append([metric, entry.units[metric], text, spread])
    return markdown_table(lines, ["metric", "unit", "value", "over seeds"], right=(2,)) + "\n"


def _against(ranking: Ranking, entry: Entry) -> list[str]:
    """The differences that the board judges: to the other methods, or to the row that this one changes."""
    if entry.label in ranking.to_parent:
        found = [ranking.to_parent[entry.label]]
        about = "of this row minus that of the row that it changes, of the same seed number where both have it"
        title, judged = "Against the unchanged method", "over all changed rows of the table"
    else:
        pairs = (ranking.differences.get(frozenset((entry.label, other.label))) for other in ranking.entries if other is not entry)
        found = [pair.seen_from(entry.label) for pair in pairs if pair]
        about, title, judged = "of this row minus that of the other", "Against the other methods", "over all pairs of methods"
    if not found:
        return []
    lines = [[markdown_text(pair.b), difference_cell(pair), verdict(pair)] for pair in found]
    return [
        f"## {title}\n\n{PRIMARY} {about}, paired over takes, with the pair's own interval."
        f" Below 0 this row is better; the verdict is Holm-adjusted {judged}, and `no` where the ranges over seeds overlap.\n",
        markdown_table(lines, ["other", f"difference [{entry.units[PRIMARY]}]", "separable"], right=(1,)) + "\n",
    ]


def _by_action(entry: Entry, seed: int) -> list[str]:
    metrics = [metric for metric in _BY_ACTION if metric in entry.seeds[seed].sums]
    means = {metric: group_means(entry.rows, entry.seeds[seed].of(metric), "action") for metric in metrics}
    actions = list(dict.fromkeys(action for _, _, action in entry.takes))
    lines = []
    for action in actions:
        takes = len({take for take, _, its in entry.takes if its == action})
        lines.append([markdown_text(action), takes, *(_one(means[metric].get(action)) for metric in metrics)])
    heads = ["action", "takes", *(f"{metric} [{entry.units[metric]}]" for metric in metrics)]
    return ["## By action\n\nFrame-weighted.\n", markdown_table(lines, heads, right=range(1, len(heads))) + "\n"]


def _by_joint(entry: Entry, seed: int) -> list[str]:
    kind = entry.protocol["headline"]
    values = {metric: found for metric in BY_JOINT if (found := entry.by_joint(metric, kind, seed))}
    if not values:
        return []
    joints = list(dict.fromkeys(joint for found in values.values() for joint in found))
    lines = [[markdown_text(joint), *(_one(found.get(joint)) for found in values.values())] for joint in joints]
    heads = ["joint", *(f"{metric} [{entry.units[metric]}]" for metric in values)]
    return [f"## By joint\n\nAverage by {kind}.\n", markdown_table(lines, heads, right=range(1, len(heads))) + "\n"]


def _one(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _diagnostics(entry: Entry, seed: int, up: str) -> list[str]:
    tables = entry.seeds[seed].behaviour
    if not tables:
        return []
    lines = [[name, *(f"{table[name]:.2f}" if name in table else "" for table in tables.values())] for name in BEHAVIOUR]
    about = f"## Diagnostics\n\nWithout true poses, never ranked: [definitions]({up}{DIAGNOSTICS_PAGE}).\n"
    return [about, markdown_table(lines, ["diagnostic", *map(markdown_text, tables)], right=range(1, 1 + len(tables))) + "\n"]


def _provenance(entry: Entry) -> list[str]:
    given = [[FACT_TITLES[name], markdown_text(fact)] for name, fact in entry.facts.items()]
    parts = ["## What the method was given\n", markdown_table(given, ["fact", "of all seeds"]) + "\n", "## Provenance\n"]
    made = entry.seeds[0].provenance
    if made:
        facts: dict[str, object] = {
            "form": entry.form,
            "recipe, preset": f"{made.recipe}, {made.preset}",
            "trained on": f"{made.trained_on}, keypoints {made.trained_keypoints}",
            "training poses": f"{made.poses_seen:,} in {made.epochs} epochs",
            "parameters": f"{made.parameters:,}",
            "extra data": "; ".join(made.extra_data) or "none",
            **({"teacher": made.common.teacher} if made.teacher else {}),
        }
        parts.append(markdown_table([[name, markdown_text(str(fact))] for name, fact in facts.items()], ["fact", "of all seeds"]) + "\n")
    for number, seed in enumerate(entry.seeds):
        spent = seed.training
        trained = [f"{float(spent['cpu_seconds']) / 60:.1f} CPU minutes"] if "cpu_seconds" in spent else []
        trained += [f"{float(spent['teacher_cpu_seconds']) / 60:.1f} of them its teacher's"] if "teacher_cpu_seconds" in spent else []
        trained += [f"{name} {spent[name]}" for name in ("device", "processor", "threads", "torch") if name in spent]
        trained += [f"commit {spent['code']}"] if "code" in spent else []
        trained += [f"teacher {seed.provenance.teacher}"] if seed.provenance and seed.provenance.teacher else []
        scored = markdown_text(seed.scored_with)
        training = f" Trained: {markdown_text(', '.join(trained))}." if trained else ""
        parts.append(
            f"* Seed {_seed_number(entry, number)}: {_one(entry.value(PRIMARY, entry.protocol['headline'], number))}"
            f" {entry.units[PRIMARY]} {PRIMARY}. Predictions sha256 {markdown_code(seed.predictions)}.{training} Scored with {scored}."
        )
    return [*parts, ""]


def _commands(entry: Entry, protocol: Protocol) -> str:
    """The commands that make the entry again, or that score predictions which posebench did not make."""
    made = entry.seeds[0].provenance
    if made and entry.method in baselines():
        commands = [_training_commands(entry, number, protocol) for number in range(len(entry.seeds))]
        lines, results = [line for lines, _ in commands for line in lines], [result for _, result in commands]
        remark = "On one machine, with the same number of threads, a training on the CPU gives the same bytes each time."
    elif not made and entry.method in simple_lifters():
        result, predictions = f"{entry.name}-r.json", f"{entry.name}.npz"
        predict = f"posebench predict {entry.method} {_dataset_options(entry, protocol)} -o {_word(predictions)}"
        lines, results = [predict, _score_command(predictions, protocol, result)], [result]
        remark = "Nothing is drawn at random."
    else:
        results = [f"{entry.name}-r{number}.json" for number in range(len(entry.seeds))]
        lines = [_score_command(f"PREDICTIONS{number}.npz", protocol, result) for number, result in enumerate(results)]
        remark = "The predictions come from the method's authors, not from posebench. The digests above identify the scored files."
    lines.append(f"posebench board add {' '.join(map(_word, results))} && posebench board render")
    return "\n".join([f"## To make it again\n\n{remark}\n", "```bash", *lines, "```\n"])


def _training_commands(entry: Entry, number: int, protocol: Protocol) -> tuple[list[str], str]:
    """The commands that make seed ``number`` again, and the result file that they leave."""
    made = entry.seeds[number].provenance
    assert made is not None, "all seeds of an entry have provenance, or none"
    seed = _seed_number(entry, number)
    trained, how = entry.trained_and_tracked
    tracked = made.recipe.removeprefix(trained)
    run = f"runs/{entry.name.replace(tracked, '', 1)}-s{seed}"
    same_data = entry.learnt_on == entry.data["name"]
    root = "" if not needs_root(entry.learnt_on) else " --root DIR" if same_data else f" --root {_word(entry.learnt_on.upper())}"
    recipe = "" if trained == TUNED else f" --recipe {_word(trained)}"
    stated_threads = entry.seeds[number].training.get("threads")
    # A training that was resumed with another number of threads has no single one.
    threads = f" --threads {stated_threads}" if str(stated_threads or "").isdecimal() else ""
    lines = [
        f"posebench train {entry.method} --dataset {_word(entry.learnt_on)}{root} --keypoints {_word(made.trained_keypoints)}{recipe}"
        f" --preset {_word(made.preset)} --seed {seed}{threads} -o {_word(run)}"
    ]
    # A run scores itself on its own dataset under the dataset's usual protocol; for anything else it takes further commands.
    if same_data and protocol.id == protocol.dataset and not tracked:
        return lines, f"{run}/result.json"
    predictions, result = f"{run}/predictions.npz", f"{run}/{protocol.id.replace('/', '-')}{tracked}.json"
    if not same_data or tracked:
        predictions = f"{run}/{protocol.dataset}{tracked}.npz"
        options = f"{how} {_dataset_options(entry, protocol)}".strip()
        lines.append(f"posebench predict {_word(run)} {options} -o {_word(predictions)}")
    return [*lines, _score_command(predictions, protocol, result)], result


def _root_option(protocol: Protocol) -> str:
    return " --root DIR" if needs_root(protocol.dataset) else ""


def _dataset_options(entry: Entry, protocol: Protocol) -> str:
    return f"--dataset {protocol.dataset}{_root_option(protocol)} --keypoints {_word(entry.keypoints)}"


def _score_command(predictions: str, protocol: Protocol, result: str) -> str:
    return f"posebench score {_word(predictions)} --protocol {protocol.id}{_root_option(protocol)} -o {_word(result)}"


def _word(text: str) -> str:
    """One word for a shell, whatever a file calls it."""
    return shlex.quote(printable(text))
