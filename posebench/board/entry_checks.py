"""Whether the numbers that an entry states follow from its sums."""

from __future__ import annotations

import math

from posebench.base.errors import PosebenchError
from posebench.board.entry import Entry

ADVICE = "make entries with: posebench board add R.json"
#: Tolerance of a stated number, relative and absolute: values and sums are stored in full, or from schema 4 on with nine digits; joints and
#: curves with six digits.
_TOLERANCE, _NINE_DIGITS_TOLERANCE, _ROUNDED_TOLERANCE = 1e-9, 1e-8, 1e-5


def check_derived(entry: Entry, where: str, *, nine_digits: bool = False) -> None:
    """Refuse an entry whose stated numbers do not follow from its sums.

    Args:
        entry: the entry.
        where: what messages call it.
        nine_digits: its values and sums were rounded to nine digits.

    Raises:
        PosebenchError: a value, curve or sum by joint differs (exit code 1).
    """

    def refuse(what: str, stated: float, given: float | None) -> PosebenchError:
        sums = "no sums for it" if given is None else f"{given:.6g}, which its sums give"
        return PosebenchError(f"{where}: {what} = {stated:.6g}", sums, "score the predictions again, then " + ADVICE, exit_code=1)

    headline = entry.protocol["headline"]
    tolerance = _NINE_DIGITS_TOLERANCE if nine_digits else _TOLERANCE
    for number, seed in enumerate(entry.seeds):
        for metric, stated in seed.values.items():
            given = entry.value(metric, headline, number)
            if given is None or not math.isclose(stated, given, rel_tol=tolerance, abs_tol=tolerance):
                raise refuse(f"{metric} of seeds[{number}]", stated, given)
        for metric, (_, percent) in seed.curves.items():
            mean = sum(percent) / len(percent)
            given = entry.value(metric, headline, number)
            if given is None or not math.isclose(mean, given, rel_tol=_ROUNDED_TOLERANCE, abs_tol=_ROUNDED_TOLERANCE):
                raise refuse(f"the mean of the curve of {metric} in seeds[{number}]", mean, given)
        for metric, joints in seed.joints.items():
            for (take, _, _), parts, total in zip(entry.takes, joints.total, seed.sums[metric][0], strict=True):
                mean = sum(parts) / len(parts)
                if not math.isclose(mean, total, rel_tol=_ROUNDED_TOLERANCE, abs_tol=_TOLERANCE):
                    raise refuse(f"the sum of {metric} in seeds[{number}] over the joints of {take}", mean, total)
