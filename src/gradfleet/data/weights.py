"""How often a training row is drawn: by a weight of its own, and by its class where classes are balanced."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data.prepared import Kind
from gradfleet.errors import DataError

Array = npt.NDArray[Any]


def row_weights(given: Array | None, targets: Array, kind: Kind, *, balance: bool) -> npt.NDArray[np.float64] | None:
    """A weight for each training row with mean 1; None where every row is as good as any other.

    Args:
        given: of each row; none may be negative, missing or infinite.
        balance: whether classes are drawn alike often: each row's weight is divided by the sum over its class.

    Raises:
        DataError: the weights cannot be, or there are no classes to balance.
    """
    if given is None and not balance:
        return None
    weights = np.ones(len(targets)) if given is None else np.asarray(given, np.float64)
    if len(weights) != len(targets):
        raise DataError(f"Weights need a number for each of the {len(targets):,} training rows, got {len(weights):,}.")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        odd = next((one for one in weights.tolist() if not 0 <= one < np.inf), 0.0)
        raise DataError(f"Weights need to be finite, not negative and not all 0, got {odd!r}.")
    if balance:
        weights = weights / _sums(weights, targets, kind)
    scaled: npt.NDArray[np.float64] = weights * (len(weights) / weights.sum())
    return scaled


def _sums(weights: Array, targets: Array, kind: Kind) -> Array:
    if kind not in ("multiclass", "binary"):
        raise DataError(f"balance=True draws classes alike often; a {kind} problem has no classes.")
    classes = targets.reshape(-1).astype(np.int64)
    sums = np.bincount(classes, weights)
    return np.maximum(sums[classes], np.finfo(float).tiny)
