"""How the order of methods on a table compares with the order in their papers, computed from the table."""

from __future__ import annotations

from posebench.base.escape import markdown_text
from posebench.board.entry import PRIMARY, Entry
from posebench.board.pages.prose import wrapped
from posebench.board.rank import Ranking
from posebench.predictions.forms import FORMS

#: (better, worse) by id, in the papers. VideoPose3D, Martinez, RepNet, Chen: PA-MPJPE on Human3.6M with true keypoints, 27.2, 37.1, 38.2
#: and 51 mm; ElePose: 36.7, where a reflection is allowed (``published.toml``). ITES: its abstract, 11.4 % better than the methods without
#: 3D before it, of which Chen's is one, and better than weakly supervised ones, of which RepNet is one.
PAPERS_ORDER = (
    ("videopose3d", "martinez"),
    ("martinez", "repnet"),
    ("repnet", "chen2019"),
    ("elepose", "chen2019"),
    ("ites", "chen2019"),
    ("ites", "repnet"),
)


def order_sentences(ranking: Ranking) -> list[str]:
    """For each form, how the pairs of :data:`PAPERS_ORDER` that a table has stand here, as lines of a list; empty where it has none.

    The row of a method in a form is the one whose recipe has the form's name, trained on the table's own dataset; with several presets,
    the best. Trainings of seconds (``smoke``) say nothing about a method.
    """
    lines = []
    for form in FORMS:
        rows = _rows(ranking, form)
        pairs = [(rows[one], rows[other]) for one, other in PAPERS_ORDER if one in rows and other in rows]
        if pairs:
            found = [_verdict(ranking, *pair) for pair in pairs]
            same, tied, turned = ([words for kind, words in found if kind == wanted] for wanted in ("same", "tied", "turned"))
            listed = [f"as in the papers {'; '.join(same)}"] if same else []
            listed += [f"not separable here {'; '.join(tied)}"] if tied else []
            listed += [f"against the papers {'; '.join(turned)}"] if turned else []
            lines.append(wrapped(f"* Form `{form}`: {', '.join(listed)}."))
    return ["The order of the methods here, and in their papers:\n", *lines, ""] if lines else []


def _rows(ranking: Ranking, form: str) -> dict[str, Entry]:
    rows: dict[str, Entry] = {}
    for entry in ranking.entries:
        made = entry.seeds[0].provenance
        if made and made.preset != "smoke" and made.recipe == made.form == form and entry.learnt_on == entry.data["name"]:
            rows.setdefault(entry.method, entry)
    return rows


def _verdict(ranking: Ranking, better: Entry, worse: Entry) -> tuple[str, str]:
    """Kind of a pair that a paper puts in this order, and the pair in words, the better one here first."""
    value = dict(zip(ranking.frame["method"], ranking.frame[PRIMARY], strict=True))
    pair = ranking.differences[frozenset((better.label, worse.label))]
    kind = "tied" if not pair.separable else "same" if value[better.label] < value[worse.label] else "turned"
    first, second = sorted((better, worse), key=lambda entry: value[entry.label])
    words = [f"{markdown_text(entry.method)} ({value[entry.label]:.1f} mm)" for entry in (first, second)]
    return kind, " before ".join(words)
