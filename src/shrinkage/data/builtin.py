"""Built-in tables, by name: scikit-learn's own and MNIST-1D. Nothing is downloaded."""

import random

import numpy as np
import pandas as pd

from shrinkage.errors import not_installed

_SKLEARN = {
    "digits": "load_digits",
    "breast_cancer": "load_breast_cancer",
    "wine": "load_wine",
    "diabetes": "load_diabetes",
}
NAMES = (*_SKLEARN, "mnist1d")
TARGET = "target"


def load(name: str) -> pd.DataFrame:
    """The built-in table `name`, its target in the last column, called 'target'.

    Class labels are words where scikit-learn has them ("malignant"), else ints.
    Raises BadInput for mnist1d where its package is not installed.
    """
    return _mnist1d() if name == "mnist1d" else _sklearn(name)


def _sklearn(name: str) -> pd.DataFrame:
    from sklearn import datasets

    bunch = getattr(datasets, _SKLEARN[name])(as_frame=True)
    frame = bunch.frame
    if "target_names" in bunch:
        frame[TARGET] = np.asarray(bunch.target_names)[frame[TARGET].to_numpy()]
    return frame


def _mnist1d() -> pd.DataFrame:
    """Greydanus and Kobak 2020, "Scaling Down Deep Learning with MNIST-1D": 5,000 rows."""
    try:
        from mnist1d.data import make_dataset  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise not_installed("the built-in table 'mnist1d' needs mnist1d", "mnist1d") from None
    # the package seeds the global generators; put them back as they were
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        parts = make_dataset()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    values = np.concatenate([parts["x"], parts["x_test"]])
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    frame[TARGET] = np.concatenate([parts["y"], parts["y_test"]])
    return frame
