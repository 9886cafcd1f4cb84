"""The file itself, without a browser: it is whole, names nothing outside, holds the results' numbers, and text from files stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import posebench
from posebench.display.html.breakdown import action_by_joint
from posebench.display.html.charts import padded, round_step
from posebench.display.html.elements import element
from posebench.display.html.page import LIMIT, json_text
from posebench.display.html.tables import SHADES, shade
from posebench.predictions.finding import Finding
from posebench.scoring.sums import group_means
from tests.display.html.conftest import HOSTILE

VOID = {"meta", "br", "input", "link", "img"}


class Parsed(HTMLParser):
    """Elements with their attributes in order, texts, tables as rows of cells, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts, self.tables, self.wrong = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def parsed(page):
    return Parsed(page.html)


@pytest.fixture(scope="module")
def parsed_both(both):
    return Parsed(both.html)


@pytest.mark.parametrize("which", ["page", "both"])
def test_the_file_is_whole_and_names_no_other_file_or_host(which, request):
    text = request.getfixturevalue(which).html
    found = Parsed(text)
    assert found.wrong == found.open == []
    assert len(text.encode()) <= LIMIT
    addresses = [value for _, attributes in found.elements for key, value in attributes.items() if key in ("src", "href", "action", "data")]
    assert all(address.startswith("#") for address in addresses)
    ids = {attributes["id"] for _, attributes in found.elements if "id" in attributes}
    assert {address[1:] for address in addresses} <= ids
    assert Counter(attributes["id"] for _, attributes in found.elements if "id" in attributes).most_common(1)[0][1] == 1
    assert not re.search(r"https?://|url\(|@import", text)
    assert not {"style", "onclick", "onload", "onerror"} & {key for _, attributes in found.elements for key in attributes}


@pytest.mark.parametrize("which", ["page", "both"])
def test_the_policy_allows_the_pages_own_style_and_scripts_by_hash_and_nothing_else(which, request):
    text = request.getfixturevalue(which).html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == "'none'"
    for name, pattern in (("style-src", r"<style>(.*?)</style>"), ("script-src", r"<script>(.*?)</script>")):
        blocks = re.findall(pattern, text, flags=re.DOTALL)
        hashes = {"'sha256-" + base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() + "'" for block in blocks}
        assert set(parts[name].split()) == hashes


def test_every_table_has_a_caption_and_headings_with_their_scope(parsed_both):
    names = [name for name, _ in parsed_both.elements]
    assert names.count("caption") == names.count("table") > 10
    assert all(attributes.get("scope") in ("col", "row") for attributes in parsed_both.of("th"))
    assert all("aria-label" in one or one.get("aria-hidden") == "true" or "key" in one.get("class", "") for one in parsed_both.of("svg"))
    assert parsed_both.of("html")[0]["lang"] == "en"
    levels = [int(name[1]) for name, _ in parsed_both.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_hold_the_numbers_of_the_result(made, parsed):
    result = posebench.load_result(made.one)
    rows = {row[0]: row for row in parsed.tables[0]}
    for name, table in result.metrics.items():
        assert f"{table.value:.2f}" in rows[name]
        assert f"[{table.low:,.2f}, {table.high:,.2f}]" in rows[name]
    by_action = next(table for table in parsed.tables if table[0][:2] == ["action", "poses"])
    values = result.metrics["MPJPE"].groups["action"]
    assert {row[0]: row[2] for row in by_action[1:-1]} == {action: f"{value:.2f}" for action, value in values.items()}


def test_the_heat_map_of_actions_and_joints_averages_to_the_tables(made):
    result = posebench.load_result(made.one)
    joints, rows = action_by_joint(result, "MPJPE")
    assert joints == list(result.metrics["MPJPE"].groups["joint"])
    for action, mean in group_means(result.rows, result.sums["MPJPE"], "action").items():
        assert sum(rows[action]) / len(joints) == pytest.approx(mean)
    assert rows["all"] == pytest.approx(list(result.metrics["MPJPE"].groups["joint"].values()))


def test_a_page_on_several_results_compares_them(both, parsed_both):
    texts = " ".join(parsed_both.texts)
    (comparison,) = (one for one in both.comparisons if one.metric == "PA-MPJPE")
    assert f"{comparison.pairs[0].value:+.1f}" in texts
    assert f"noisy \u2212 {HOSTILE}" in texts
    assert ("is better" if comparison.pairs[0].separable else comparison.pairs[0].verdict) in texts
    assert set(both.diagnoses) == {"noisy", HOSTILE}
    for diagnosis in both.diagnoses.values():
        assert diagnosis.sentence in texts
        assert f"{diagnosis.ladder[-1].error:.1f}" in texts


def test_names_and_texts_from_files_are_text(made, both, parsed_both):
    assert HOSTILE in " ".join(parsed_both.texts)
    assert "<img" not in both.html
    assert not parsed_both.of("img")
    stored = re.search(r'id="skeleton-data">(.*?)</script>', both.html, flags=re.DOTALL)[1]
    assert json.loads(stored)["results"] == ["noisy", HOSTILE]
    result = posebench.load_result(made.one)
    groups = {"action": {HOSTILE: 1.0}, HOSTILE: {HOSTILE: 1.0}}
    spoiled = replace(
        result,
        protocol=replace(result.protocol, id=HOSTILE, headline=HOSTILE),
        data=replace(result.data, name=HOSTILE, note=HOSTILE, official=False),
        predictions=replace(
            result.predictions, method=HOSTILE, file=HOSTILE, keypoints=HOSTILE, provenance={HOSTILE: HOSTILE, "seed": [HOSTILE]}
        ),
        findings=[Finding(HOSTILE, "warning", HOSTILE, HOSTILE, (HOSTILE,))],
        behaviour={HOSTILE: {HOSTILE: 1.0}},
        training={HOSTILE: {HOSTILE: HOSTILE}},
        metrics={HOSTILE: replace(result.metrics["PA-MPJPE"], unit=HOSTILE, by={HOSTILE: 1.0}, groups=groups)},
        diagnostics={},
        sums={HOSTILE: result.sums["PA-MPJPE"]},
        environment=replace(result.environment, posebench=HOSTILE),
    )
    found = Parsed(posebench.report(spoiled, title=HOSTILE).html)
    assert found.wrong == found.open == []
    assert not found.of("img")
    assert not found.of("b")
    assert not {"onerror"} & {key for _, attributes in found.elements for key in attributes}
    assert sum(HOSTILE in text for text in found.texts) > 10


@given(st.text(max_size=40), st.text(max_size=40))
def test_an_element_shows_any_text_and_attribute_as_it_is(content, value):
    found = Parsed(element("p", content, title=value))
    assert found.wrong == found.open == []
    assert [name for name, _ in found.elements] == ["p"]
    if content.isprintable() and value.isprintable():
        assert "".join(found.texts) == content
        assert found.of("p") == [{"title": value}]


@given(st.text(max_size=60))
def test_json_in_a_page_ends_no_element_and_is_read_back(name):
    text = json_text({"name": name})
    assert "<" not in text
    assert json.loads(text) == {"name": name}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.booleans())
def test_a_scale_has_room_for_its_values_and_a_few_round_ticks(values, zero):
    scale = padded(values, zero=zero)
    assert scale.low <= min(values) <= max(values) <= scale.high
    assert scale.low <= 0 <= scale.high or not zero
    assert 1 <= len(scale.ticks) <= 8
    for tick in scale.ticks:
        assert scale.low - 1e-6 * abs(tick) <= tick <= scale.high + 1e-6 * abs(tick)


@given(st.floats(1e-6, 1e9))
def test_a_step_is_round_and_about_as_large_as_asked_for(least):
    step = round_step(least)
    assert 0.84 * least <= step <= 2.6 * least
    assert f"{step:e}".split("e")[0].rstrip("0").rstrip(".") in ("1", "2", "2.5", "5")


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_shades_rise_with_the_value(value, low, high):
    limits = (min(low, high), max(low, high))
    assert 0 <= shade(value, limits) < SHADES
    assert shade(value, limits) <= shade(value + 1.0, limits)
