"""The grid file: what it names, and what it may not."""

import re
from itertools import product
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import load_entries
from posebench.board.regeneration.grid import Cell, read_grid, select
from posebench.cli.main import main
from posebench.lifters import simple_lifters
from posebench.networks.recipe import baselines, read_method

GRID = Path(__file__).parents[3] / "leaderboard" / "grid.toml"
#: How recipes end that are choices of `posebench predict`.
TEST_TIME = ("-track", "-none", "-copy", "-projector")
WHOLE = {"methods": ["martinez"], "datasets": ["synthetic"], "keypoints": ["gt"], "presets": ["smoke"], "seeds": [0]}


def written(path, *tables):
    path = path / "grid.toml"
    path.write_text("".join("[[grid]]\n" + "".join(f"{key} = {value!r}\n" for key, value in table.items()) for table in tables))
    return path


def test_the_committed_grid_holds_every_method_with_three_seeds_on_true_keypoints_and_one_on_noisy_ones():
    names = {cell.name for cell in read_grid(GRID)}
    for method in baselines():
        if "quick" not in read_method(method)[0]["presets"]:  # too large for a CPU, so no cells
            assert not any(name.startswith(f"{method}+") for name in names)
            continue
        assert {f"{method}+tuned-cmu-gt-quick-s{seed}" for seed in range(3)} <= names
        assert {f"{method}+tuned-cmu-gauss5-quick-s0", f"{method}+tuned-synthetic-gt-smoke-s0"} <= names
    assert {f"{method}-{data}" for method, data in product(simple_lifters(), ("cmu-gt", "cmu-gauss5", "synthetic-gt"))} <= names
    assert {f"chen2019+{recipe}-cmu-gt-quick-s0" for recipe in ("cycle", "single", "blind", "adapter")} <= names


def test_the_grid_names_exactly_the_trainings_of_the_board():
    """Rows of other recipes at test time, of tracking, and of another dataset are predictions of these trainings."""
    named = {trained: {cell.name for cell in read_grid(GRID) if cell.trained is trained} for trained in (True, False)}
    on_board = {True: set(), False: set()}
    for entry in load_entries(GRID.parent):
        for seed in entry.seeds:
            made, data = seed.provenance, f"{entry.data['name']}-{entry.keypoints}"
            if made is None:
                on_board[False].add(f"{entry.method}-{data}")
            elif made.trained_on.startswith(f"{entry.data['name']} ") and not made.recipe.endswith(TEST_TIME):
                on_board[True].add(f"{entry.method}+{made.recipe}-{data}-{made.preset}-s{made.seed}")
    assert on_board == named


def test_a_table_expands_to_every_combination_of_its_lists(tmp_path):
    table = {**WHOLE, "methods": ["martinez", "chen2019"], "recipes": ["tuned", "paper"], "keypoints": ["gt", "gauss5"], "seeds": [3, 0]}
    cells = read_grid(written(tmp_path, table, {"methods": ["flat"], "datasets": ["cmu"], "keypoints": ["gt"]}))
    assert len(cells) == 2 * 2 * 2 * 2 + 1
    assert cells[0] == Cell("martinez", "synthetic", "gt", "tuned", "smoke", 3)
    assert cells[-1] == Cell("flat", "cmu", "gt")
    assert "chen2019+paper-synthetic-gauss5-smoke-s3" in {cell.name for cell in cells}


def test_cells_of_one_entry_differ_in_their_seed_only():
    one, other = Cell("martinez", "cmu", "gt", "paper", "quick", 0), Cell("martinez", "cmu", "gt", "paper", "quick", 1)
    assert one.entry == other.entry == "martinez+paper-cmu-gt-quick"
    assert (one.name, other.name) == ("martinez+paper-cmu-gt-quick-s0", "martinez+paper-cmu-gt-quick-s1")
    assert Cell("flat", "cmu", "gt").name == Cell("flat", "cmu", "gt").entry == "flat-cmu-gt"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"methods": ["martines"]}, "methods = .*martines.*a list of different strings out of .*martinez"),
        ({"methods": []}, "methods = .*at least one"),
        ({"methods": ["martinez", "flat"]}, "a separate table for flat"),
        ({"methods": ["flat"]}, "unknown presets, seeds"),
        ({"datasets": ["cmv"]}, "cmv"),
        ({"keypoints": []}, "keypoints = .*at least one"),
        ({"recipes": ["papyrus"]}, "papyrus.*recipes of martinez: tuned, paper"),
        ({"presets": ["quickest"]}, "quickest.*smoke, quick, full"),
        ({"seeds": []}, "seeds = .*at least one"),
        ({"seeds": [-1]}, "seeds = .*whole numbers from 0"),
        ({"seeds": [1, 1]}, "seeds = .*different"),
        ({"colour": "red"}, "unknown colour"),
    ],
)
def test_a_wrong_value_in_the_grid_is_refused_and_named(tmp_path, change, named):
    with pytest.raises(PosebenchError, match=named):
        read_grid(written(tmp_path, WHOLE | change))


def test_a_cell_named_twice_or_no_cell_at_all_or_no_file_is_refused(tmp_path):
    with pytest.raises(PosebenchError, match=r"martinez\+tuned-synthetic-gt-smoke-s0 named twice"):
        read_grid(written(tmp_path, WHOLE, WHOLE))
    with pytest.raises(PosebenchError, match="no cells"):
        read_grid(written(tmp_path))
    with pytest.raises(PosebenchError, match="a grid in TOML"):
        read_grid(tmp_path / "nothing.toml")


def test_cells_are_chosen_by_name_and_by_dataset():
    cells = [Cell("flat", "cmu", "gt"), Cell("flat", "synthetic", "gt"), Cell("mean-pose", "cmu", "gt")]
    assert select(cells) == cells
    assert select(cells, ["flat-cmu-gt"]) == cells[:1]
    assert select(cells, dataset="cmu") == [cells[0], cells[2]]
    with pytest.raises(PosebenchError, match=r"cell 'flat'.*flat-cmu-gt, flat-synthetic-gt"):
        select(cells, ["flat"])
    with pytest.raises(PosebenchError, match=r"dataset '3dhp'.*cmu, synthetic"):
        select(cells, dataset="3dhp")


def test_an_earlier_grid_with_the_default_recipe_and_names_without_it_mean_the_tuned_one(tmp_path):
    table = {**WHOLE, "methods": ["martinez"], "recipes": ["default", "paper"]}
    cells = read_grid(written(tmp_path, table))
    assert {cell.recipe for cell in cells} == {"tuned", "paper"}
    (chosen,) = select(cells, ["martinez-synthetic-gt-smoke-s0"])
    assert chosen.name == "martinez+tuned-synthetic-gt-smoke-s0"
    assert chosen.folder(tmp_path).name == chosen.name
    (tmp_path / "martinez-synthetic-gt-smoke-s0").mkdir()
    assert chosen.folder(tmp_path).name == "martinez-synthetic-gt-smoke-s0"


def test_the_job_array_of_the_page_has_a_job_for_each_line_of_the_list_and_each_line_names_a_cell(tmp_path, capsys):
    page = (GRID.parents[1] / "docs" / "regenerate.md").read_text()
    assert "sbatch --array=1-$(posebench regenerate --list | wc -l)" in page
    assert "posebench regenerate --list | awk '{print $1}' | sed -n \"${SLURM_ARRAY_TASK_ID}p\"" in page
    assert not re.search(r"--array=1-[0-9]", page)
    table = {**WHOLE, "methods": ["martinez", "chen2019"], "keypoints": ["gt", "gauss5"], "seeds": [0, 1]}
    path = written(tmp_path, table, {"methods": ["flat"], "datasets": ["synthetic"], "keypoints": ["gt"]})
    assert main(["regenerate", str(path), "--list", "--runs", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = read_grid(path)
    assert [line.split()[0] for line in lines] == [cell.name for cell in cells]
    assert all(select(cells, [line.split()[0]]) == [cell] for line, cell in zip(lines, cells, strict=True))
