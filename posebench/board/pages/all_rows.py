"""The page of one table: every row and every metric, what each row was given, how it was trained, and the commands."""

from __future__ import annotations

import re

from posebench.base.escape import markdown_code, markdown_text
from posebench.board.pages.prose import wrapped
from posebench.board.pages.provenance import commands, machines, made_rows
from posebench.board.pages.tables import DIAGNOSTICS, FURTHER, facts_table, metrics_table, ranked_table
from posebench.board.rank import Key, Ranking
from posebench.scoring.protocol import Protocol


def all_rows_page(key: Key, ranking: Ranking, protocol: Protocol, stem: str) -> str:
    """The whole page, for the file ``tables/<stem>.md`` of a board."""
    _, digest, fingerprint, keypoints = key
    entries = ranking.all_entries
    up = "../" * (1 + stem.count("/"))
    file = stem.rsplit("/", 1)[-1]
    about = f"""All rows under protocol `{protocol.id}` with the digest {markdown_code(digest)}, keypoints {markdown_code(keypoints)}. Rows
without a letter under *tie* have a part or the training data changed; the [leaderboard]({up}README.md) compares them with the unchanged
method. The same as [CSV]({file}.csv) and [JSON]({file}.json). [How to read the tables]({up}how-to-read.md)."""
    parts = [
        f"# All rows: {protocol.id}, keypoints {markdown_code(keypoints)}\n",
        "Made by `posebench board render`; do not edit by hand.\n",
        wrapped(about),
        "",
        *([ranked_table(ranking, protocol), ""] if ranking.entries else ["No ranked rows.\n"]),
        *(["**Not ranked**:\n", ranked_table(ranking.aside, protocol), ""] if ranking.aside else []),
        "## What each row was given\n",
        facts_table(ranking),
        "",
    ]
    for title, metrics in (("Further metrics", FURTHER), ("Diagnostics, never ranked", DIAGNOSTICS)):
        if table := metrics_table(ranking, metrics):
            parts += [f"## {title}\n", table, ""]
    data = entries[0].data
    parts += [
        *made_rows(entries),
        f"Data: {markdown_text(data['name'])} {markdown_text(data['version'])}, fingerprint {markdown_code(fingerprint[:16])}.\n",
        f"{machines(entries)}\n",
        commands(protocol, keypoints, entries),
    ]
    # Links in tables are seen from the board's folder.
    return re.sub(r"\]\((?=entries/|\.\./(?:baselines|docs)/)", f"]({up}", "\n".join(parts))
