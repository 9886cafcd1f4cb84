"""An extension of Griffe: docstrings of posebench as its reader of the Google style knows them."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """``Example:`` becomes the section ``Examples:``, and roles such as ``:meth:`` become plain code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
            text = re.sub(r":(?:meth|func|class|mod|data|attr):`~?([^`]+)`", r"`\1`", text)
            obj.docstring.value = text.replace("``", "`")
