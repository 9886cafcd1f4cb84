"""A protocol in words: what is scored, against what, and how the numbers are averaged."""

from __future__ import annotations

from posebench.display.html.case import Content
from posebench.display.html.elements import Markup, details, element, facts, group, paragraph, section
from posebench.display.html.tables import table
from posebench.scoring.protocol import Metric, Protocol

_AVERAGES = {
    "take": "the mean over takes, each of which has the same weight",
    "frame": "the mean over all frames",
    "action": "the mean over actions, each of which has the same weight",
    "subject x action": "the mean over the actions of each subject, each of which has the same weight",
}
_ALIGNMENTS = {
    "absolute": "nothing is aligned",
    "root": "the roots are moved to one place",
    "scale": "roots are moved to one place, and each pose is scaled to fit",
    "rigid": "each pose is rotated and moved to fit",
    "similarity": "each pose is rotated, moved and scaled to fit, and never mirrored",
    "similarity+reflection": "each pose is rotated, moved, scaled and, where that fits better, mirrored",
}
_STATISTICS = {
    "mean": "mean distance of a joint from its true place",
    "pck": "share of joints nearer than the threshold",
    "auc": "mean of that share over the thresholds",
    "cps": "area under the share of poses of which every joint is near enough",
    "velocity": "error of the displacement from frame to frame",
    "acceleration": "error of the second difference over frames",
    "bone-length": "mean error of a bone's length",
    "bone-symmetry": "mean difference of left and right bones",
    "flip-rate": "share of poses that fit better mirrored",
}


def protocol_section(content: Content) -> Markup:
    """What was scored: the protocol, the data and the coverage of each result."""
    result, protocol = content.first, content.protocol
    stated = f"{result.protocol.id}, version {result.protocol.version}, digest {result.protocol.digest}"
    data = result.data
    copy = "the official copy" if data.official else f"not the official copy: {data.note}" if data.note else "not the official copy"
    covered = [
        (
            "Poses scored" if not content.several else f"Poses of {case.name}",
            f"{case.result.coverage.poses:,} in {case.result.coverage.clips:,} clips"
            + (f", PARTIAL: the protocol has {case.result.coverage.poses_wanted:,}" if case.result.coverage.partial else ", all"),
        )
        for case in content.cases
    ]
    if len({text for _, text in covered}) == 1:
        covered = [("Poses scored", covered[0][1])]
    left_out, joints = result.coverage.left_out, result.coverage.joints_missing
    if left_out:
        lacking = "; joints missing in them: " + ", ".join(f"{joint} {count:,}" for joint, count in joints.items()) if joints else ""
        covered.append(("Frames left out", f"{left_out:,}, which the data mark as not valid or without a joint{lacking}"))
    known = facts(
        [
            ("Protocol", stated),
            ("Data", f"{data.name} {data.version}".strip() + f", {copy}"),
            ("Fingerprint of the data", element("code", data.fingerprint)),
            *covered,
        ]
    )
    if protocol is None:
        text = "This posebench does not have the protocol with that digest, so that the page cannot put it into words."
        return section("protocol", "Protocol", paragraph(text), known)
    return section("protocol", "Protocol", _in_words(protocol), known, _metrics(protocol), _excluded(protocol))


def _in_words(protocol: Protocol) -> Markup:
    people = f"subjects {_listed(protocol.subjects)}" if protocol.subjects else "all subjects"
    actions = f", actions {_listed(protocol.actions)}" if protocol.actions else ""
    cameras = f"cameras {_listed(protocol.cameras)}" if protocol.cameras else "all cameras"
    frames = "Every frame counts" if protocol.stride == 1 else f"One frame in {protocol.stride} counts"
    rate = f" (of {protocol.fps:g} a second)" if protocol.fps else ""
    root = " and ".join(protocol.root)
    counted = "counts in the mean with its error of zero" if protocol.root_counted else "does not count in the mean"
    origin = (
        f"Poses are compared relative to the {root}, which {counted}."
        if len(protocol.root) == 1
        else (f"Poses are compared relative to the midpoint of {root}; the root {counted}.")
    )
    others = f"; shown besides: by {' and by '.join(protocol.also)}" if protocol.also else ""
    sentences = [
        f"{protocol.title}: {people}{actions}, {cameras} of {protocol.dataset} {protocol.dataset_version}.",
        f"{frames}{rate}, with the {len(protocol.skeleton)} joints of {protocol.skeleton.id}.",
        origin,
        f"The headline number is {_AVERAGES[protocol.headline]}{others}.",
    ]
    return group([paragraph(" ".join(sentences)), paragraph(protocol.notes.strip()) if protocol.notes.strip() else None])


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _metrics(protocol: Protocol) -> Markup:
    rows = [
        [metric.name, metric.unit, _sentence(metric), f"{metric.joint_set} ({len(metric.joints)})", "yes" if ranked else "never"]
        for ranked, metrics in ((True, protocol.metrics), (False, protocol.diagnostics))
        for metric in metrics
    ]
    heads = ["metric", "unit", "what it is", "joints", "ranked"]
    return details("What each metric is", table("Metrics of the protocol", heads, rows, sortable=False, class_="prose"))


def _sentence(metric: Metric) -> str:
    numbers = ""
    if metric.threshold is not None:
        numbers = f" ({'at most' if metric.inclusive else 'below'} {metric.threshold:g} mm)"
    if metric.thresholds is not None:
        numbers = " ({:g} to {:g} mm, every {:g})".format(*metric.thresholds)
    aligned = "" if metric.statistic == "flip-rate" else f"; {_ALIGNMENTS[metric.alignment]}"
    return f"{_STATISTICS[metric.statistic]}{numbers}{aligned}"


def _excluded(protocol: Protocol) -> Markup | None:
    if not protocol.excluded:
        return None
    rows = [[take, reason] for take, reason in protocol.excluded.items()]
    return details(f"{len(rows)} takes left out", table("Takes that the protocol leaves out", ["take", "reason"], rows, class_="prose"))
