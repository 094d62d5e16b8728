"""The tiny network, for all tests of predictions."""

from tests.predict.tiny import tiny_predictor, tiny_weights

__all__ = ["tiny_predictor", "tiny_weights"]
