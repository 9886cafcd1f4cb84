"""The page that the demo ends with: one HTML file that holds its table, its picture and its commands, and needs no other file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8888; vertical-align: top }
td:nth-child(-n+3) { white-space: nowrap }
div { overflow-x: auto } pre { padding: .8rem; border: 1px solid #8888; overflow-x: auto }
img { max-width: 100%; background: white }
"""


def page(table: Sequence[Sequence[str]], commands: Sequence[str], finding: str, picture: Path) -> str:
    """HTML of the demo's results.

    Args:
        table: head and lines.
        commands: in the order in which they ran.
        finding: what the check found in the file with swapped sides.
        picture: a PNG file, embedded in the page.
    """
    head, *lines = [[escape(cell) for cell in line] for line in table]
    rows = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in lines)
    image = b64encode(picture.read_bytes()).decode("ascii")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>posebench demo</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>posebench demo</h1>
<p>Lifters of 2D joints to 3D joints, scored on the test split of the embedded dataset <code>synthetic</code>. Its motion is
generated from a seed; it is not real data.</p>
<h2>Scores</h2>
<div><table>
<thead><tr>{"".join(f'<th scope="col">{cell}</th>' for cell in head)}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<p>PA-MPJPE is the mean error of a joint after rotation, translation and scale are aligned; N-MPJPE aligns scale only. Lower is better.
Brackets hold 95&nbsp;% intervals over takes.</p>
<h2>Three test poses</h2>
<img src="data:image/png;base64,{image}"
alt="True and predicted skeletons of three test poses, from the front and from the side, a row for each lifter">
<h2>A mistake that the check finds</h2>
<p>Left and right are swapped in <code>swapped.npz</code>. <code>posebench check</code>: {escape(finding)}</p>
<h2>The commands</h2>
<pre>{escape(chr(10).join(commands))}</pre>
<h2>Next</h2>
<pre>posebench score YOUR_FILE --protocol synthetic    # your own predictions
posebench data fetch cmu -o cmu-mocap             # real motion capture, free</pre>
</body>
</html>
"""
