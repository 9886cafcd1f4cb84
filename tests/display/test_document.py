"""Paragraphs and tables on a terminal, in a pipe and as markdown."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from posebench.display.document import Document, Paragraph, Table, fitted, joined
from posebench.display.tables import GAP, columns_of

TEXT = st.text("ab 1.,|[]-\x1b\n姿é", max_size=30)


@st.composite
def tables(draw):
    count = draw(st.integers(1, 7))
    row = st.lists(TEXT, min_size=count, max_size=count)
    right = draw(st.sets(st.integers(0, count - 1)))
    return Table(draw(row), draw(st.lists(row, max_size=4)), tuple(right))


def shown(document, width):
    screen = io.StringIO()
    document.show(Console(file=screen, width=width, color_system=None))
    return screen.getvalue()


@given(tables(), st.integers(1, 200))
def test_the_tables_that_show_one_fit_the_width_and_hold_every_column(table, width):
    parts = list(fitted(table, width))
    assert [columns[0] for columns, _ in parts] == [0] * len(parts)
    assert [column for columns, _ in parts for column in columns[1:]] == list(range(1, len(table.heads)))
    for columns, widths in parts:
        assert min(widths) >= 1
        smallest = len(widths) + GAP * (len(widths) - 1)  # a table of one blank a column
        assert sum(widths) + GAP * (len(widths) - 1) <= max(width, smallest)
        assert len(columns) == len(widths)


@settings(max_examples=40)
@given(tables(), st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal_and_nothing_that_does_not_print_is_written(table, width):
    text = shown(Document.of(table), width)
    assert all(columns_of(line) <= width for line in text.split("\n"))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert all(character.isprintable() or character == "\n" for character in str(Document.of(table)))


def test_numbers_are_never_broken():
    table = Table(["metric", *"abcdef"], [["MPJPE", *["[1234.56, 7890.12]"] * 6]], right=range(1, 7))
    for width in (30, 60, 80):
        text = shown(Document.of(table), width)
        assert text.count("[1234.56, 7890.12]") == 6
        assert text.count("MPJPE") == len(list(fitted(table, width)))


def test_markup_and_control_characters_are_shown_as_they_are():
    name = "[b]net[/b]\x1b[31m|x"
    document = Document.of(f"by {name}", Table(["method"], [[name]]))
    for text in (str(document), shown(document, 80)):
        assert text.count("[b]net[/b]\\x1b[31m|x") == 2
    assert document.markdown().endswith("[b]net[/b]\\x1b[31m\\|x |")


def test_a_wrapped_line_hangs():
    text = shown(Document.of(Paragraph(": axes: upside down from the first frame\n  likely fix: turn", "error", hanging=2)), 24)
    assert [line.rstrip() for line in text.splitlines()] == [
        "error: axes: upside down",
        "  from the first frame",
        "  likely fix: turn",
    ]


def test_rows_of_several_lines_are_apart():
    rows = [["a", "word " * 9], ["b", "x"]]
    assert "\n\n" in "\n".join(line.rstrip() for line in shown(Document.of(Table(["name", "text"], rows)), 30).splitlines())
    assert "\n\n" not in "\n".join(line.rstrip() for line in shown(Document.of(Table(["name", "text"], rows)), 80).splitlines())


def test_wide_letters_take_two_columns():
    lines = str(Document.of(Table(["method", "mm"], [["姿勢", "1"], ["pose", "2"]], right=[1]))).splitlines()
    assert {columns_of(line) for line in lines} == {10}


def test_documents_are_joined_by_empty_lines():
    assert str(joined([Document.of("a", ""), Document.of("b")])) == "a\n\nb"


def test_names_from_files_are_text_in_markdown():
    name = "<script>alert(1)</script>[x](http://y)"
    shown = Document.of(Paragraph("of " + name, lead=name), Table(["method"], [[name]])).markdown()
    assert "<script>" not in shown
    assert "](" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;[x]") == 3
