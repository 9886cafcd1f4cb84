"""The site in chromium, from disk: silent, whole without JavaScript, searched, filtered and sorted, with its state in the address."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.display.html.browser import Browser, find_browser

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
AXE = os.environ.get("POSEBENCH_AXE", "")
PAGES = ["index.html", "published.html", "tables/cmu/gt.html", "entries/cmu/chen2019+tuned-gt-quick.html", "baselines/ites/index.html"]

FIRST = "document.querySelector('table.tied')"
SHOWN = f"[...{FIRST}.tBodies[0].rows].filter((row) => !row.hidden).length"
NAMES = f"[...{FIRST}.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[1].textContent)"
TOOLS = f"{FIRST}.parentElement.previousElementSibling.previousElementSibling"


@pytest.fixture(scope="module")
def browser():
    with Browser(BROWSER) as opened:
        yield opened


def reloaded(browser):
    browser._loaded = False
    browser.call("Page.reload")
    while not browser._loaded:
        browser._read()


def choose(browser, label, value):
    browser.run(
        f"(() => {{ const l = [...{TOOLS}.querySelectorAll('label')].find((one) => one.firstChild.textContent === '{label}');"
        f" const s = l.querySelector('select'); s.value = '{value}'; s.dispatchEvent(new Event('change')); }})()"
    )


def search(browser, words):
    browser.run(f"(() => {{ const i = {TOOLS}.querySelector('input'); i.value = '{words}'; i.dispatchEvent(new Event('input')); }})()")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 360])
def test_pages_open_silently_fit_their_width_and_load_files_of_the_site_only(browser, site, name, width):
    browser.open(site / name, width=width)
    assert browser.said == []
    assert all(address.startswith(site.resolve().as_uri()) for address in browser.requests)
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("[...document.images].every((one) => one.loading === 'lazy' && one.alt)")


def test_every_row_is_there_without_javascript(browser, site):
    counts = []
    for script in (False, True):
        browser.open(site / "index.html", script=script)
        counts.append(browser.run("document.querySelectorAll('tbody tr:not([hidden])').length"))
        assert bool(browser.run("document.querySelectorAll('.tools').length")) is script
    assert counts[0] == counts[1] > 20


def test_a_filter_reaches_its_own_table_only_and_says_how_many_rows_it_shows(browser, site):
    browser.open(site / "index.html")
    rows = browser.run(SHOWN)
    others = "[...document.querySelectorAll('table.board')].slice(1).flatMap((t) => [...t.tBodies[0].rows]).filter((r) => r.hidden).length"
    choose(browser, "form", "=paper")
    shown = browser.run(SHOWN)
    assert 0 < shown < rows
    assert browser.run(f"{TOOLS}.querySelector('output').textContent") == f"{shown} of {rows} rows"
    assert browser.run(others) == 0
    browser.run(f"{TOOLS}.querySelector('button').click()")
    assert browser.run(SHOWN) == rows
    assert browser.run("location.search") == ""


def test_columns_can_be_left_out_and_the_address_says_so(browser, site):
    browser.open(site / "index.html")
    box = f"[...{FIRST}.parentElement.previousElementSibling.querySelectorAll('label')].find((l) => l.textContent === 'budget').firstChild"
    shown = f"[...{FIRST}.tHead.rows[0].cells].filter((c) => getComputedStyle(c).display !== 'none').map((c) => c.textContent)"
    assert "budget" in browser.run(shown)
    browser.run(f"{box}.click()")
    assert "budget" not in browser.run(shown)
    assert "without=budget" in browser.run("location.search")
    reloaded(browser)
    assert "budget" not in browser.run(shown)


def test_rows_are_found_by_words_and_by_number_of_seeds(browser, site):
    browser.open(site / "index.html")
    search(browser, "pose_machine tuned")
    assert browser.run(NAMES)
    assert all(name.startswith("pose_machine") for name in browser.run(NAMES))
    search(browser, "")
    choose(browser, "seeds", ">=3")
    seeds = browser.run(
        f"[...{FIRST}.tBodies[0].rows].filter((r) => !r.hidden).map((r) => parseInt(r.cells[[...{FIRST}.tHead.rows[0].cells]"
        ".findIndex((h) => h.textContent === 'seeds')].textContent))"
    )
    assert seeds
    assert min(seeds) >= 3


def test_search_filter_and_order_are_kept_in_the_address(browser, site):
    browser.open(site / "index.html")
    choose(browser, "form", "=tuned")
    search(browser, "3D")
    browser.run(f"[...{FIRST}.querySelectorAll('thead button')].find((one) => one.textContent.startsWith('N-MPJPE')).click()")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    wanted = browser.run(NAMES), browser.run("location.search")
    said = f"{FIRST}.parentElement.nextElementSibling.textContent"
    assert browser.run(said).startswith("Sorted by N-MPJPE [mm], ascending.")
    reloaded(browser)
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert (browser.run(NAMES), browser.run("location.search")) == wanted
    browser.run("document.querySelector('nav a').click()")
    assert browser.run("location.search") == wanted[1], "a link to a section keeps it"
    assert browser.run(said).startswith("Sorted by N-MPJPE [mm], ascending.")


@pytest.mark.skipif(not AXE, reason="POSEBENCH_AXE does not name axe.min.js")
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_violation(browser, site, name, dark):
    for width in (1280, 360):
        browser.open(site / name, width=width, dark=dark)
        browser.run(Path(AXE).read_text(encoding="utf-8"))
        found = browser.run("axe.run(document).then((r) => r.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html)]))")
        assert found == []
