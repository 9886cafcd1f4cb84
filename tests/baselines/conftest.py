"""Untrained methods at a small size."""

import pytest


@pytest.fixture(scope="session")
def untrained():
    """Takes a method's id and changes that make it small; gives a function from a recipe's name and further changes to the method."""
    torch = pytest.importorskip("torch", reason="the baselines need the extra [baselines]")
    from posebench.networks.recipe import load_baseline, read_method, resolve

    def of(name, small):
        (content, where), baseline = read_method(name), load_baseline(name)

        def make(recipe="default", *changes):
            torch.manual_seed(0)
            settings = resolve(content, baseline.Settings, where=where, recipe=recipe, preset="smoke", changes=[*small, *changes])
            return baseline.build(settings, "h36m17")

        return make

    return of
