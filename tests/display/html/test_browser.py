"""The page in chromium, from disk: silent, no requests, whole without JavaScript, sortable, accessible, and with skeletons that move."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.display.html.browser import Browser, find_browser
from tests.display.html.conftest import HOSTILE

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
AXE = os.environ.get("POSEBENCH_AXE", "")


@pytest.fixture(scope="module")
def browser():
    with Browser(BROWSER) as opened:
        yield opened


@pytest.fixture(scope="module")
def paths(page, both, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    return {"page": page.save(folder / "page.html"), "both": both.save(folder / "both.html")}


@pytest.mark.parametrize("which", ["page", "both"])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_opens_from_disk_silently_without_requests_and_fits_its_width(browser, paths, which, dark, width):
    browser.open(paths[which], width=width, dark=dark)
    assert browser.said == []
    assert browser.requests == [paths[which].as_uri()]
    assert browser.run("document.documentElement.scrollWidth") == width
    shown = browser.run("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (max(shown) < 60) if dark else (min(shown) > 200)


def test_it_is_whole_without_javascript(browser, paths):
    texts = {}
    for script in (False, True):
        browser.open(paths["both"], script=script)
        count = "[document.querySelectorAll('tbody tr').length, document.querySelectorAll('.moments svg path').length]"
        texts[script] = [browser.run(count), browser.run("document.querySelector('#scores').innerText.replace(/\\s+/g, ' ')")]
        assert browser.run("document.querySelector('#viewer').hidden") is not script
        assert bool(browser.run("document.querySelectorAll('button').length")) is script
        assert browser.said == []
    assert texts[False] == texts[True]


def test_names_from_files_are_shown_and_do_nothing(browser, paths):
    browser.open(paths["both"])
    assert HOSTILE in browser.run("document.querySelector('h1').textContent")
    assert browser.run("document.querySelectorAll('img, iframe, object, embed').length") == 0
    assert HOSTILE in browser.run("document.querySelector('#viewer').textContent")


def test_a_table_is_sorted_by_the_button_in_its_heading(browser, paths):
    browser.open(paths["page"])
    table = "document.querySelector('#breakdown table.sortable')"
    column = f"[...{table}.tBodies[0].rows].map((row) => Number(row.cells[2].textContent))"
    before = browser.run(column)
    assert len(before) >= 2
    for direction, wanted in (("ascending", sorted(before)), ("descending", sorted(before, reverse=True))):
        browser.run(f"{table}.tHead.rows[0].cells[2].querySelector('button').click()")
        assert browser.run(column) == wanted
        sorts = browser.run(f"[...{table}.tHead.rows[0].cells].map((head) => head.getAttribute('aria-sort'))")
        assert [one for one in sorts if one] == [direction], "one column says how the table is sorted"
    assert browser.run(f"{table}.tFoot.rows[0].cells[0].textContent") == "average", "the mean stays at the end"


def test_the_switch_changes_the_theme_and_the_canvas(browser, paths):
    browser.open(paths["page"])
    ground = "getComputedStyle(document.body).backgroundColor"
    before = browser.run(ground), drawing(browser)
    assert browser.run("document.querySelector('.switch').textContent") == "Dark theme"
    browser.run("document.querySelector('.switch').click()")
    assert browser.run("document.querySelector('.switch').textContent") == "Light theme"
    assert browser.run(ground) != before[0]
    assert drawing(browser) != before[1]


def drawing(browser, number=1):
    """What one of the two canvases shows."""
    return browser.run(f"document.querySelectorAll('#viewer canvas')[{number}].toDataURL()")


def place(browser):
    """The middle of the canvas that turns, in view."""
    browser.run("document.querySelectorAll('#viewer canvas')[1].scrollIntoView({block: 'center', behavior: 'instant'})")
    box = browser.run(
        "(() => { const b = document.querySelectorAll('#viewer canvas')[1].getBoundingClientRect(); return [b.x, b.y, b.width]; })()"
    )
    return box[0] + box[2] / 2, box[1] + box[2] / 2


def press(browser, text):
    browser.run(f"[...document.querySelectorAll('#viewer button')].find((one) => one.textContent === '{text}').click()")


def test_the_skeletons_turn_grow_and_move_with_mouse_and_keyboard(browser, paths):
    browser.open(paths["page"])
    first = drawing(browser)
    x, y = place(browser)
    browser.mouse("mousePressed", x, y, clickCount=1)
    browser.mouse("mouseMoved", x + 60, y - 40, buttons=1)
    browser.mouse("mouseReleased", x + 60, y - 40, clickCount=1)
    turned = drawing(browser)
    assert turned != first
    browser.mouse("mouseMoved", x, y)
    assert drawing(browser) == turned, "the mouse turns it only while it is pressed"
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    assert drawing(browser) != turned
    press(browser, "From above")
    assert drawing(browser) == first
    browser.run("document.querySelectorAll('#viewer canvas')[1].focus()")
    browser.key("ArrowRight")
    browser.key("ArrowUp")
    assert drawing(browser) != first
    press(browser, "From above")
    where = "document.querySelector('#viewer .where').textContent"
    assert "the chosen one" in browser.run(where)
    browser.key(".")
    assert "the chosen one" not in browser.run(where)
    browser.run(
        "(() => { const s = document.querySelector('#viewer input[type=range]'); s.value = 0; s.dispatchEvent(new Event('input')); })()"
    )
    start = browser.run(where)
    browser.key(" ")
    browser.run("new Promise((done) => setTimeout(done, 700))")
    assert browser.run(where) != start, "it plays"
    press(browser, "Pause")
    assert browser.said == []


def test_errors_are_those_of_the_pictures_and_bones_are_coloured_by_them(browser, paths, page):
    browser.open(paths["page"])
    worst = page.diagnoses["noisy"].worst[0]
    assert browser.run("document.querySelector('#viewer .summary').textContent") == f"noisy: {worst.value:.0f} mm"
    joints = browser.run("[...document.querySelectorAll('#viewer .joints b')].map((one) => Number(one.textContent))")
    assert len(joints) == 17
    assert sum(joints) / 17 == pytest.approx(worst.value, abs=0.6)
    before = drawing(browser, 0)
    press(browser, "Colour by error")
    assert drawing(browser, 0) != before
    browser.run("document.querySelectorAll('.moments button')[3].click()")
    assert "(4 of " in browser.run("document.querySelector('#viewer .title').textContent")
    pressed = browser.run("[...document.querySelectorAll('.moments button')].map((one) => one.getAttribute('aria-pressed') === 'true')")
    assert [number for number, one in enumerate(pressed) if one] == [3]


def test_several_results_are_shown_over_each_other(browser, paths):
    browser.open(paths["both"])
    alone = drawing(browser)
    browser.run("document.querySelector('#viewer input[type=checkbox]:not(:checked)').click()")
    assert drawing(browser) != alone
    assert browser.run("document.querySelector('#viewer .summary').textContent").count(" mm") == 2


def test_reduced_motion_is_respected(browser, paths):
    browser.open(paths["page"], still=True)
    where = "document.querySelector('#viewer .where').textContent"
    press(browser, "Next frame")
    after = browser.run(where)
    browser.run("new Promise((done) => setTimeout(done, 300))")
    assert browser.run(where) == after, "one frame, and no more"


@pytest.mark.parametrize("which", ["page", "both"])
def test_controls_have_names_and_boxes_that_scroll_are_reached_by_the_keyboard(browser, paths, which):
    browser.open(paths[which], width=360)
    unnamed = """[...document.querySelectorAll('button, input, canvas, [role=img], [role=group]')].filter((one) =>
        !one.getAttribute('aria-label') && ![one, ...(one.labels || [])].some((text) => text.textContent.trim())).length"""
    assert browser.run(unnamed) == 0
    boxes = "[...document.querySelectorAll('.scroll')].filter((one) => (one.scrollWidth > one.clientWidth) !== (one.tabIndex === 0)).length"
    assert browser.run(boxes) == 0
    assert browser.run("[...document.querySelectorAll('.scroll')].some((one) => one.tabIndex === 0)")


@pytest.mark.skipif(not Path(AXE).is_file(), reason="POSEBENCH_AXE names no axe.min.js (npm package axe-core)")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_violation(browser, paths, dark):
    browser.open(paths["both"], dark=dark)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.run(Path(AXE).read_text(encoding="utf-8"))
    found = "axe.run(document).then((all) => all.violations.map((one) => `${one.id}: ${one.nodes[0].html}`))"
    assert browser.run(found) == []
