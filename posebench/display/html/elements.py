"""HTML and SVG elements. Text and attributes are escaped where an element is made, so that a name from a file cannot become markup.

Example:
    >>> print(element("td", "<b>", class_="name", data_value=3))
    <td class="name" data-value="3">&lt;b&gt;</td>
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from posebench.base.errors import printable

#: Longest text from a file that is shown whole.
_LONGEST = 2000
#: Elements without content and without an end tag.
_VOID = ("br", "meta", "input", "img")


class Markup(str):
    """HTML that is written as it is. Only elements of this module, and constants, are made into it."""

    __slots__ = ()


#: What an element may contain: elements, or text, which is escaped; None is left out.
Child: TypeAlias = Markup | str | None
Attribute: TypeAlias = str | int | float | bool | None


def text(value: str) -> Markup:
    """Text as HTML; characters that do not print are written as escapes of Python."""
    return Markup(html.escape(printable(value, _LONGEST)))


def group(children: Iterable[Child]) -> Markup:
    """Elements and texts one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else text(child) for child in children if child is not None))


def element(name: str, *children: Child, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: of the element, a constant.
        children: its content.
        attributes: ``class_`` is ``class``, ``data_value`` is ``data-value``. Numbers are written with four digits at most; True is an
            attribute without a value, None and False are none.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in _VOID else f"</{name}>"
    return Markup(f"<{name}{written}>{group(children)}{end}")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = f"{value:.4g}" if isinstance(value, float) else printable(str(value), _LONGEST)
    return f' {name}="{html.escape(shown)}"'


def paragraph(*children: Child, class_: str | None = None) -> Markup:
    """A paragraph."""
    return element("p", *children, class_=class_)


def section(id: str, title: str, *children: Child) -> Markup:
    """A section with a heading that links can lead to; empty where nothing but None is in it."""
    shown = [child for child in children if child is not None]
    if not shown:
        return Markup("")
    return element("section", element("h2", title, id=f"{id}-title"), *shown, id=id, aria_labelledby=f"{id}-title")


def scrolled(content: Markup, label: str) -> Markup:
    """A box that scrolls sideways by itself where the page is narrow; the keyboard can reach it."""
    return element("div", content, class_="scroll", tabindex="0", role="group", aria_label=label)


def details(summary: str, *children: Child, opened: bool = False) -> Markup:
    """Content that is folded away; it needs no script."""
    return element("details", element("summary", summary), *children, open=opened)


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """A list of names and values; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in shown))
