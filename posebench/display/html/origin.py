"""Where numbers come from: findings of the checks, provenance, and the commands that give them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from posebench.base.errors import PosebenchError, printable
from posebench.data.registry import DATASETS, needs_root
from posebench.display.html.case import Case, Content
from posebench.display.html.elements import Child, Markup, details, element, facts, group, paragraph, section, text
from posebench.display.html.tables import from_document, table
from posebench.display.text import diagnostics_table
from posebench.networks.recipe import baselines, read_method
from posebench.predictions.disclosure import FACTS
from posebench.predictions.finding import SEVERITIES
from posebench.predictions.forms import TUNED
from posebench.predictions.provenance import Provenance, read_provenance
from posebench.scoring.result import Result

_TITLES = {
    "form": "Form of the method",
    "recipe": "Recipe",
    "preset": "Preset",
    "seed": "Seed",
    "trained_on": "Trained on",
    "trained_keypoints": "Keypoints in training",
    "context": "Context [frames]",
    "flip_averaging": "Flip averaging",
    "side_information": "Side information",
    "extra_data": "Extra data",
    "teacher": "Teacher",
    "epochs": "Epochs",
    "poses_seen": "Training poses",
    "parameters": "Parameters",
    "online": "Online",
    "tta": "Test-time augmentation",
    "test_time": "Work at test time",
    "input_filter": "Filter of the keypoints",
    "oracle": "Oracle",
    "selection": "Weights chosen by",
}


def findings_section(content: Content) -> Markup:
    """What the checks found in each file, and the diagnostics that need no true poses."""
    parts: list[Child] = []
    for case in content.cases:
        parts += [element("h3", case.name)] if content.several else []
        parts.append(_findings(case.result))
        invalid = case.result.invalid
        if invalid.poses:
            text = (
                f"{invalid.poses:,} invalid poses were scored with every joint at the root; {invalid.nonfinite:,} of them are not finite."
            )
            parts.append(paragraph(element("strong", "Note. "), text))
        if behaviour := _numbers(case.result.behaviour):
            parts.append(from_document("Diagnostics that need no true poses", diagnostics_table(behaviour)))
    return section("findings", "Findings of the checks", *parts)


def _findings(result: Result) -> Markup:
    if not result.findings:
        return paragraph("The checks found nothing: unit, axes, joint order, left and right, and frames are as they should be.")
    ordered = sorted(result.findings, key=lambda one: SEVERITIES.index(one.severity) if one.severity in SEVERITIES else len(SEVERITIES))
    rows = []
    for one in ordered:
        clips = paragraph(f"Clips: {', '.join(one.clips)}", class_="note") if one.clips else None
        fix = paragraph(f"Likely fix: {one.fix}", class_="note") if one.fix else None
        rows.append([element("span", one.severity, class_=f"badge {_known(one.severity)}"), one.name, group([one.message, fix, clips])])
    return table("Findings", ["severity", "check", "what was found"], rows, sortable=False, class_="prose")


def _numbers(stated: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The numbers among what a file states; a result does not check its diagnostics."""
    tables = {name: values for name, values in stated.items() if isinstance(values, Mapping)}
    numbers = {name: {key: one for key, one in values.items() if isinstance(one, int | float)} for name, values in tables.items()}
    return {name: values for name, values in numbers.items() if values}


def _known(severity: str) -> str:
    return severity if severity in SEVERITIES else "note"


def provenance_section(content: Content) -> Markup:
    """How the predictions were made, and with what they were scored."""
    parts: list[Child] = []
    for case in content.cases:
        parts += [element("h3", case.name)] if content.several else []
        parts.append(_origin(case.result))
    return section("provenance", "Provenance", *parts)


def _origin(result: Result) -> Markup:
    file, made = result.predictions, result.predictions.provenance or {}
    hypotheses = f"{file.hypotheses} a pose, scored as {file.scored_as}" if file.hypotheses > 1 else ""
    machine = result.environment
    versions = f"posebench {machine.posebench}, Python {machine.python}, numpy {machine.numpy}, {machine.platform}"
    about = [
        ("Method", file.method or "not stated"),
        ("Keypoints", file.keypoints or "not stated"),
        ("Supervision", file.supervision),
        ("Scale of its poses", file.scale),
        ("Skeleton of the file", file.skeleton),
        ("Hypotheses", hypotheses),
        ("File", file.file),
        ("SHA-256 of the file", element("code", file.sha256)),
        ("Scored with", versions + (f", kernel {machine.kernel}" if machine.kernel else "")),
    ]
    training = [(name.replace("_", " "), _shown(value)) for name, value in result.training.items()]
    if not made:
        no = "The file does not state how the method was trained."
        return group([facts(about), paragraph(no, class_="note")])
    trained = [(title, _shown(made[key])) for key, title in _TITLES.items() if key in made]
    trained += [(key, _shown(value)) for key, value in made.items() if key not in _TITLES]
    trained += [(_TITLES[key], "not stated") for key in FACTS if key not in made]
    return group(
        [facts(about), details("Training", facts(trained), opened=True), details("Time and machine", facts(training)) if training else None]
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) < 10_000 else f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(map(str, value)) or "none"
    return str(value) if not isinstance(value, Mapping) else "; ".join(f"{key}: {one}" for key, one in value.items())


def repeat_section(content: Content) -> Markup:
    """The commands that make predictions, results and this page again."""
    lines: list[str] = []
    results = []
    root = _root(content.first)
    for number, case in enumerate(content.cases, start=1):
        made, result = _made_again(case, f"-{number}" if content.several else "", root)
        lines += made
        results.append(result)
    lines.append(f"posebench report {' '.join(map(_word, results))}{root} -o report.html")
    about = "Scoring the same file gives the same numbers, to the bit. The digests above identify protocol, data and predictions."
    if needs_root(content.first.data.name) and content.first.data.name in DATASETS:
        about += f" DIR is your copy of {content.first.data.name}."
    code = element("pre", element("code", Markup("\n".join(map(text, lines)))), tabindex="0", role="group", aria_label="Commands")
    return section("repeat", "Make it again", paragraph(about), code)


def _root(result: Result) -> str:
    if result.data.name == "file":
        return " --truth GT.npz"
    return " --root DIR" if needs_root(result.data.name) else ""


def _made_again(case: Case, suffix: str, root: str) -> tuple[list[str], str]:
    """The commands that give a result again, from the training on if posebench can, and the result's file: beside its predictions."""
    file, protocol = case.result.predictions, case.result.protocol.id
    made = _read(file.provenance)
    if made is None or not _trainable(file.method, made):
        result = f"result{suffix}.json"
        return [f"posebench score {_word(file.file)} --protocol {_word(protocol)}{root} -o {result}"], result
    dataset, run = made.trained_on.split(" ", 1)[0], f"runs/{file.method}{suffix}"
    recipe = "" if made.recipe == TUNED else f" --recipe {_word(made.recipe)}"
    lines = [
        f"posebench train {file.method} --dataset {_word(dataset)}{' --root DIR' if needs_root(dataset) else ''}"
        f" --keypoints {_word(made.trained_keypoints)}{recipe} --preset {_word(made.preset)} --seed {made.seed} -o {run}"
    ]
    data, predictions = case.result.data.name, f"{run}/predictions.npz"
    # A run scores itself under its dataset's protocol of the same name.
    if dataset == data == protocol:
        return lines, f"{run}/result.json"
    if dataset != data:
        predictions = f"{run}/{data}.npz"
        lift = f"posebench predict {run} --dataset {_word(data)}{root} --keypoints {_word(file.keypoints)} -o {_word(predictions)}"
        lines.append(lift)
    result = f"{run}/{protocol.replace('/', '-')}.json"
    return [*lines, f"posebench score {_word(predictions)} --protocol {_word(protocol)}{root} -o {_word(result)}"], result


def _trainable(method: str, made: Provenance) -> bool:
    """Whether this posebench has the recipe and the preset."""
    if method not in baselines():
        return False
    content, _ = read_method(method)
    return (made.recipe == TUNED or made.recipe in content.get("recipes", {})) and made.preset in content.get("presets", {})


def _read(stated: Mapping[str, Any] | None) -> Provenance | None:
    """Provenance that a result states; None where it is not of the present form."""
    from posebench.base.schema import Fields

    try:
        return None if stated is None else read_provenance(Fields(dict(stated), "the result", ""))
    except PosebenchError:
        return None


def _word(text: str) -> str:
    """One word for a shell, whatever a file calls it."""
    return shlex.quote(printable(text))
