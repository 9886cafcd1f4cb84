"""Learning curves: which values can be seen."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

from posebench.training.curves import curves_figure


def lines(count, only_in=None):
    """A log of ``count`` epochs with a term in all of them, and one in the epochs ``only_in``."""
    stage = [epoch in (only_in or []) for epoch in range(1, count + 1)]
    return [
        {
            "epoch": epoch,
            "losses": {"lifter/always": 1.0 / epoch} | ({"lifter/stage": -0.5} if there else {}),
            "behaviour": {"bone spread": 0.1, "own": 2.0},
        }
        for epoch, there in enumerate(stage, start=1)
    ]


def curve(figure, label):
    (line,) = [line for axes in figure.axes for line in axes.lines if line.get_label() == label]
    return line


def test_a_term_of_one_epoch_in_a_long_run_has_a_marker():
    figure = curves_figure(lines(40, only_in=[7]), "run")
    assert curve(figure, "stage").get_markevery() == [6]
    assert curve(figure, "stage").get_marker() == "o"
    assert curve(figure, "always").get_markevery() == []


def test_a_term_of_a_stage_of_several_epochs_is_a_line_without_markers():
    assert curve(curves_figure(lines(40, only_in=[7, 8, 9]), "run"), "stage").get_markevery() == []


@pytest.mark.parametrize(("count", "marked"), [(1, 1), (11, 11), (12, 0)])
def test_every_value_of_a_short_run_has_a_marker(count, marked):
    assert len(curve(curves_figure(lines(count), "run"), "always").get_markevery()) == marked


def test_networks_and_diagnostics_have_panels_and_positive_losses_a_logarithmic_axis():
    figure = curves_figure(lines(3), "run")
    assert [axes.get_title() for axes in figure.axes] == [
        "losses of lifter",
        "diagnostics on training frames",
        "the method's own diagnostics",
    ]
    assert figure.axes[0].get_yscale() == "log"
    assert curves_figure(lines(3, only_in=[2]), "run").axes[0].get_yscale() == "linear"
