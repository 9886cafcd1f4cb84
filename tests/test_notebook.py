"""posebench in a notebook: cells run by nbclient in a kernel of their own, with completion as the Tab key asks for it."""

from textwrap import dedent

import nbclient
import nbformat
import pytest

CELLS = [
    """
    import numpy as np
    import posebench
    rng = np.random.default_rng(0)
    truth = {f"S1/Walk {i}/c0": rng.normal(0, 300, (20, 17, 3)) for i in range(8)}
    posebench.save_predictions("truth.npz", truth, unit="mm", skeleton="h36m17")
    stated = dict(truth="truth.npz", unit="mm", skeleton="h36m17", per_frame=True)
    a, b = (posebench.score({c: k * p for c, p in truth.items()}, "pair-17j", method=f"x{k}", **stated) for k in (1.1, 1.2))
    """,
    "a",
    "posebench.compare(a, b)[0]",
    "a.worst(3)",
    "a.to_frame().head(2)",
    "[get_ipython().kernel.do_complete(code, len(code))['matches'] for code in ('posebench.comp', 'a.to_')]",
    "posebench.score(1, 'pair-17j')",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(dedent(cell).strip()) for cell in CELLS])
    folder = str(tmp_path_factory.mktemp("notebook"))
    nbclient.NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    return [cell.outputs for cell in notebook.cells]


def test_results_and_comparisons_are_tables(outputs):
    result, comparison = outputs[1][0].data, outputs[2][0].data
    assert result["text/plain"] == "<Result 'x1.1' under pair-17j: 160 poses, MPJPE 61.48 mm>"
    assert result["text/html"].count("<tr>") > 5
    assert "x1.1" in comparison["text/html"]
    assert "better by" in comparison["text/html"]


def test_the_worst_frames_and_every_number_are_at_hand(outputs):
    assert len(outputs[0]) == 0, "no warning, no log"
    assert "S1/Walk" in outputs[3][0].data["text/plain"]
    assert "text/html" in outputs[4][0].data


def test_names_are_completed(outputs):
    assert outputs[5][0].data["text/plain"] == "[['compare'], ['to_frame', 'to_latex']]"


def test_an_error_ends_with_what_was_found_and_wanted(outputs):
    error = outputs[6][0]
    assert error.ename == "PosebenchError"
    assert error.evalue.startswith("Found: a int as predictions. Wanted: a path, or {clip id: array}.")
