"""Equality with the golden numbers of the authors' code, at official size."""

from ..golden_methods import golden


def test_the_golden_weights_have_their_checksums():
    golden_numbers = golden("repnet")
    networks = [name for name in golden_numbers.facts["weights"] if name not in ("layout", "rule", "checksum")]
    assert [len(golden_numbers.weights(name)) for name in networks] == [28, 2, 18]
