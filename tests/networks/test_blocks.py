"""The residual perceptron: its parts, counted and by hand."""

import pytest

pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")

import torch

from posebench.networks.blocks import ResidualBlock, ResidualMLP, max_norm_


def kinds(module):
    return [type(part).__name__ for part in module.modules() if not list(part.children())]


def test_the_network_of_martinez_has_the_numbers_of_the_paper():
    # 17 joints in, 16 out: a linear layer in, four hidden, one out, batch norm after all but the last.
    network = ResidualMLP(34, 48)
    hidden = 1024 * 1024 + 1024
    assert sum(p.numel() for p in network.parameters()) == (34 * 1024 + 1024) + 4 * hidden + 5 * 2 * 1024 + (1024 * 48 + 48)


def test_a_block_with_silent_layers_hands_its_input_on():
    block = ResidualBlock(8, dropout=0.0, norm=False)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    sample = torch.randn(5, 8)
    assert torch.equal(block(sample), sample)


def test_a_network_without_norm_and_dropout_is_what_it_is_by_hand():
    network = ResidualMLP(3, 2, width=4, blocks=1, norm=False, slope=0.2)
    enter, one, two, leave = (part for part in network.modules() if isinstance(part, torch.nn.Linear))
    sample = torch.randn(6, 3)

    def leaky(x):
        return torch.where(x > 0, x, 0.2 * x)

    hidden = leaky(enter(sample))
    hidden = hidden + leaky(two(leaky(one(hidden))))
    torch.testing.assert_close(network(sample), leave(hidden))


@pytest.mark.parametrize(
    ("options", "layer"),
    [
        ({}, ["Linear", "BatchNorm1d", "ReLU"]),
        ({"dropout": 0.5}, ["Linear", "BatchNorm1d", "ReLU", "Dropout"]),
        ({"norm": False}, ["Linear", "ReLU"]),
        ({"norm": False, "slope": 0.2}, ["Linear", "LeakyReLU"]),
    ],
)
def test_every_hidden_layer_has_the_parts_that_are_asked_for(options, layer):
    assert kinds(ResidualMLP(2, 3, width=4, blocks=2, **options)) == 5 * layer + ["Linear"]


def test_dropout_is_there_in_training_and_gone_afterwards():
    network = ResidualMLP(4, 4, width=64, blocks=1, dropout=0.5, norm=False)
    sample = torch.ones(1, 4)
    assert not torch.equal(network(sample), network(sample))
    network.eval()
    assert torch.equal(network(sample), network(sample))


def test_the_chosen_initialiser_sees_every_weight_and_no_bias():
    seen = []
    ResidualMLP(5, 3, width=4, blocks=2, initialise=lambda weight: seen.append(tuple(weight.shape)))
    assert seen == [(4, 5), (4, 4), (4, 4), (4, 4), (4, 4), (3, 4)]


def test_rows_above_the_limit_are_shortened_and_the_others_left():
    network = ResidualMLP(3, 2, width=4, blocks=1)
    with torch.no_grad():
        linear = network.layers[0]
        linear.weight.copy_(torch.tensor([[3.0, 0.0, 4.0], [0.3, 0.0, 0.4], [0.0, -2.0, 0.0], [0.0, 0.0, 0.0]]))
        linear.bias.fill_(9.0)
    max_norm_(network, 1.0)
    torch.testing.assert_close(linear.weight.detach(), torch.tensor([[0.6, 0.0, 0.8], [0.3, 0.0, 0.4], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert (linear.bias == 9.0).all()
    assert linear.weight.requires_grad
