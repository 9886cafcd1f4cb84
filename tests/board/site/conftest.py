"""The site of the committed board, written once."""

from pathlib import Path

import pytest

from posebench.board.site.write import write_site

BOARD = Path(__file__).parents[3] / "leaderboard"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "out"
    write_site(BOARD, folder)
    return folder
