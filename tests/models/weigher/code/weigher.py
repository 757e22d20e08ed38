"""A model for inputs of any kind, whose right answer a caller can compute.

An array is doubled; of a frame, each row is told its weight: the sum of all numbers in it, at any depth.
"""

import numpy as np


def _load_pyfunc(_):
    return Weigher()


class Weigher:
    def predict(self, data):
        if isinstance(data, np.ndarray):
            return data * 2
        return [_weight(row) for row in data.itertuples(index=False)]


def _weight(value):
    if isinstance(value, (str, bytes)):
        return 0.0
    if isinstance(value, dict):
        return _weight(value.values())
    return float(value) if np.isscalar(value) else sum(map(_weight, value))
