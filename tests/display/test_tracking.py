"""Figures of the tracker: drawn from any lifter, with what they show computed from the tracker itself."""

import sys

import numpy as np
import pytest

from posebench.base.skeletons import skeleton
from posebench.display import tracking
from posebench.lifters.flat import Flat
from posebench.lifters.rigid_track.study import case_of

pytest.importorskip("matplotlib", reason="matplotlib draws")


def test_the_chosen_depth_is_one_of_the_two_in_every_frame(walkers):
    dataset = walkers()
    case = case_of(Flat(), dataset.load(next(iter(dataset.infos))), "gt")
    both, lifted, chosen = tracking.two_depths(case, skeleton("h36m17"))
    assert (np.abs(both - chosen[:, None]).min(axis=1) == 0.0).all()
    assert both.shape == (len(case.truth), 2)
    assert lifted.shape == chosen.shape


def test_poses_are_shown_in_the_size_of_the_truth():
    truth = np.random.default_rng(0).normal(size=(5, 17, 3))
    np.testing.assert_allclose(tracking.scaled(0.2 * truth, truth), truth)


def test_both_figures_are_drawn(walkers, tmp_path, monkeypatch):
    dataset = walkers()
    monkeypatch.setattr(tracking, "open_dataset", lambda *_: dataset)
    monkeypatch.setattr(tracking, "SUBJECT", "B")
    monkeypatch.setattr(tracking, "WORST", 1)
    idea, worst = tmp_path / "idea.png", tmp_path / "worst.png"
    clip = next(id for id in dataset.infos if id.startswith("B/"))
    monkeypatch.setattr(sys, "argv", ["tracking", "flat", "--root", "DIR", "--clip", clip, "--idea", str(idea), "--worst", str(worst)])
    tracking.main()
    assert idea.read_bytes()[:4] == worst.read_bytes()[:4] == b"\x89PNG"
