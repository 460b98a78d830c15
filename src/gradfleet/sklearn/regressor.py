"""A network that predicts amounts, as an sklearn estimator."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import RegressorMixin

from gradfleet.sklearn.estimator import Array, Estimator
from gradfleet.sklearn.targets import Amounts


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]  # sklearn has no types
    """A network that learns numbers, in one column or several.

    The parameters are described at the constructor. Networks learn targets far from 0 slowly: put it into sklearn's
    `TransformedTargetRegressor(regressor, transformer=StandardScaler())` for these.

    Attributes:
        n_features_in_: the length of a row's first axis.

    Example:
        >>> from torch import nn
        >>> rows = [[number / 10] for number in range(-20, 20)]
        >>> regressor = Regressor(
        ...     nn.Linear, network_options={"in_features": 1, "out_features": 1}, learning_rate=0.1, epochs=50
        ... )
        >>> regressor.fit(rows, [2 * row[0] for row in rows]).predict([[-1], [1]]).round(1).tolist()
        [-2.0, 2.0]
    """

    _y_numeric = True

    def partial_fit(self, X: Any, y: Any) -> Self:  # noqa: N803  # sklearn's name
        """Train one more epoch, on these rows alone: nothing is held out, and the network goes on as it was made."""
        return self._go_on(X, y, self._read)

    def predict(self, X: Any) -> Array:  # noqa: N803  # sklearn's name
        """In the shape that y had, in float64."""
        predicted: Array = self._outputs(X).numpy()
        return predicted if self._amounts.shape else predicted.ravel()

    @property
    def _amounts(self) -> Amounts:
        targets = self._trained.targets
        assert isinstance(targets, Amounts), "made by _read"
        return targets

    def _read(self, y: Array) -> Amounts:
        return Amounts(y.shape[1:])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
