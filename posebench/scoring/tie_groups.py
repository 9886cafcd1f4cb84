"""Groups of methods that are not separable: what a compact letter display gives letters to.

**Convention.** Two names are in a common group exactly when they are not separable. With insert and absorb (Piepho 2004) every group is as
large as can be, and every such group is there. Of many methods there may be more groups than there are atoms on earth; where there are
more than :data:`MOST`, groups are chosen instead, one after the other, until every pair that is not separable has one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

#: Groups of insert and absorb at most: as many as there are letters.
MOST = 26


def tie_groups(names: Sequence[str], separable: Collection[frozenset[str]]) -> list[set[str]]:
    """The groups, in no particular order.

    Example:
        >>> sorted(map(sorted, tie_groups(["x", "y", "z"], {frozenset("xz")})))
        [['x', 'y'], ['y', 'z']]
    """
    place = {name: i for i, name in enumerate(names)}
    pairs = sorted(sorted(pair) for pair in separable)
    bits = [(1 << place[a], 1 << place[b]) for a, b in pairs]
    found = _all_groups(len(names), bits)
    if found is None:
        found = _enough_groups(len(names), bits)
    return [{name for name, i in place.items() if group >> i & 1} for group in found]


def _all_groups(count: int, separable: Sequence[tuple[int, int]]) -> list[int] | None:
    """Every largest group, as a number whose bit i is set for its member i; None if there are too many."""
    groups = [(1 << count) - 1]
    for a, b in separable:
        split = [part for group in groups for part in ((group & ~a, group & ~b) if group & a and group & b else (group,))]
        if len(split) == len(groups):
            continue
        groups = []
        for group in sorted(split, key=int.bit_count, reverse=True):
            if not any(group & kept == group for kept in groups):
                groups.append(group)
        if len(groups) > MOST:
            return None
    return groups


def _enough_groups(count: int, separable: Sequence[tuple[int, int]]) -> list[int]:
    """Groups that hold every pair that is not separable: each starts with the first such pair left, and takes in who fits, in order."""
    tied = [(1 << count) - 1] * count
    for a, b in separable:
        tied[a.bit_length() - 1] &= ~b
        tied[b.bit_length() - 1] &= ~a
    left = [mask & ~(1 << i) for i, mask in enumerate(tied)]
    groups = []
    for first in range(count):
        alone = tied[first] == 1 << first
        while left[first] or alone:
            group, fit = 1 << first, tied[first] & ~(1 << first)
            # Those whose pair with the first one has no group yet come before the others.
            for candidates in (left[first], ~left[first]):
                while some := fit & candidates:
                    new = (some & -some).bit_length() - 1
                    group |= 1 << new
                    fit &= tied[new] & ~(1 << new)
            groups.append(group)
            for member in range(count):
                if group >> member & 1:
                    left[member] &= ~group
            alone = False
    return groups
