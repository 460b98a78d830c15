"""Linear classifiers that are solved at once, by scikit-learn, as the weights of a torch layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
_FOLDS = 5


def logistic(strength: float) -> Any:
    """Logistic regression; `strength`, of the data against small weights, is scikit-learn's C."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)


def hinge(strength: float) -> Any:
    """A linear support vector machine, one class against the rest; on words faster and better than the former."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=strength, random_state=0)


def solve(features: Any, targets: torch.Tensor, num_outputs: int, make: Callable[[], Any]) -> tuple[Array, Array]:
    """Weights (outputs, features) and biases (outputs,) of a linear classifier.

    Args:
        features: (rows, features), dense or scipy sparse.
        targets: class numbers (rows,), or 0 and 1 of shape (rows, outputs), each of which is solved by itself.
        make: the classifier, `logistic` or `hinge`.
    """
    if targets.is_floating_point():
        columns = targets.reshape(len(targets), -1).numpy()
        found = [_solved(features, column.astype(int), make) for column in columns.T]
        return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])
    classes = targets.numpy()
    weights, biases = _solved(features, classes, make)
    present = np.unique(classes)
    if len(present) == 2 and len(weights) == 1:  # one row for two classes: the first class is what the second is not
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    return _of_all(weights, biases, present, num_outputs)


def out_of_fold(features: Any, targets: torch.Tensor, num_outputs: int, make: Callable[[], Any]) -> Array:
    """Outputs (rows, outputs) for each row of classifiers that have not seen it, as they will be for new rows.

    What learns on top of a classifier has to see it as good as it is, not as good as it is on what it knows by heart
    (Wolpert, 1992, stacked generalization).
    """
    outputs = np.zeros((len(targets), num_outputs), np.float32)
    folds = np.random.default_rng(0).permutation(len(targets)) % min(_FOLDS, len(targets))
    for fold in np.unique(folds):
        held, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        weights, biases = solve(features[others], targets[others], num_outputs, make)
        outputs[held] = features[held] @ weights.T + biases
    return outputs


def _of_all(weights: Array, biases: Array, present: Array, num_outputs: int) -> tuple[Array, Array]:
    """The same with a row for each class, also for those that no row has."""
    if len(weights) == num_outputs:
        return weights, biases
    whole, constant = np.zeros((num_outputs, weights.shape[1])), np.full(num_outputs, -1.0)
    whole[present], constant[present] = weights, biases
    return whole, constant


def _solved(features: Any, classes: Array, make: Callable[[], Any]) -> tuple[Array, Array]:
    from sklearn.exceptions import ConvergenceWarning

    if len(np.unique(classes)) == 1:  # a label that every row has, or none
        return np.zeros((1, features.shape[1])), np.array([8.0 if classes[0] else -8.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: what counts is the validation score
        model = make().fit(features, classes)
    return model.coef_, model.intercept_
