"""Forms of a baseline: the paper's method, the authors' released code, or the form that is tuned here.

**Convention.** Every recipe has a form, one of :data:`FORMS`; a recipe that states none has the one that its name implies. A method's own
recipe, the top-level ``[settings]`` of its ``recipe.toml``, is called :data:`TUNED`. Files that call it ``default`` are read as if they
said ``tuned``.
"""

from __future__ import annotations

import re

FORMS = ("paper", "released", "tuned")
#: The recipe that every method has, and its form.
TUNED = "tuned"
#: Its name in earlier files.
EARLIER_TUNED = "default"

#: The earlier name of a recipe: alone, before the changes of single settings, or as a student's teacher.
_EARLIER = re.compile(rf"(?:^|(?<=, teacher=)|(?<=\()){EARLIER_TUNED}(?=$|[, ])")


def present_recipe(name: str) -> str:
    """A recipe's name, or words that hold one, with ``tuned`` for ``default``.

    Example:
        >>> present_recipe("default"), present_recipe("default, width=16"), present_recipe("ites_teacher (default, quick, seed 0)")
        ('tuned', 'tuned, width=16', 'ites_teacher (tuned, quick, seed 0)')
    """
    return _EARLIER.sub(TUNED, name)


def implied_form(recipe: str) -> str:
    """The form of a recipe in a file that states none: the first word of its name if that is a form, else ``tuned``.

    Example:
        >>> implied_form("paper"), implied_form("paper-bends"), implied_form("cycle")
        ('paper', 'paper', 'tuned')
    """
    word = re.split(r"[-,]", recipe, maxsplit=1)[0]
    return word if word in FORMS else TUNED
