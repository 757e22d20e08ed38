"""A model that answers with what it was given; param `times` repeats the rows, so that it shows in the answer."""

import time

import numpy as np
import pandas as pd


def _load_pyfunc(path):
    return Echo()


class Echo:
    def predict(self, data, params=None):
        nap, times = ((params or {}).get(name) or 0 for name in ("nap", "times"))
        if 0.01 < nap < 60:  # whatever a caller may make of these
            time.sleep(nap)
        times = times if 0 < times < 10 else 1
        if times == 1:
            return data
        if isinstance(data, pd.DataFrame):
            return pd.concat([data] * times)
        return np.concatenate([data] * times)
