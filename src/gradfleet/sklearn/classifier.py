"""A network that classifies, as an sklearn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from gradfleet.errors import SettingError
from gradfleet.sklearn.estimator import Array, Estimator
from gradfleet.sklearn.targets import Classes, kinds_of
from gradfleet.training import kinds


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]  # sklearn has no types
    """A network that learns labels of any type that sorts; or several labels a row, as columns of 0 and 1.

    The parameters are described at the constructor.

    Attributes:
        classes_: the labels, sorted; the columns of `predict_proba`.
        n_features_in_: the length of a row's first axis.

    Example:
        >>> from torch import nn
        >>> rows = [[number / 10] for number in range(-20, 20)]
        >>> labels = ["below" if row[0] < 0 else "above" for row in rows]
        >>> classifier = Classifier(nn.Linear, network_options={"in_features": 1, "out_features": 2}, learning_rate=0.1)
        >>> classifier.fit(rows, labels).predict([[-1], [1]]).tolist()
        ['below', 'above']
        >>> classifier.history_[-1].epoch
        10
    """

    @property
    def classes_(self) -> Array:
        return self._classes.labels

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:  # noqa: N803  # sklearn's name
        """Train one more epoch, on these rows alone: nothing is held out, and the network goes on as it was made.

        Args:
            classes: all labels that will ever come; needed by the first call, unless `fit` or y's columns told.

        Raises:
            SettingError: the first call has no classes, or a later one others.
        """
        if self.__sklearn_is_fitted__() and classes is not None:
            given = np.unique(classes).tolist()
            if given != self.classes_.tolist():
                raise SettingError(f"The classes are {self.classes_.tolist()} since the first call, got {given}.")
        return self._go_on(X, y, lambda first: Classes.announced(first, self.loss, classes))

    def predict(self, X: Any) -> Array:  # noqa: N803  # sklearn's name
        """The most probable label of each row; where y had columns, columns of 0 and 1."""
        probabilities = self.predict_proba(X)
        if self._classes.kind == "multilabel":
            return (probabilities > 0.5).astype(np.int64)
        labels: Array = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> Array:  # noqa: N803  # sklearn's name
        """Shape (rows, classes), in float64. Rows add up to 1, but where each column is a label of its own."""
        outputs, problem = self._outputs(X), self.model_.problem
        of_outputs = outputs if problem.outputs_are_probabilities else kinds.probabilities(outputs, problem.kind)
        probabilities: Array = of_outputs.numpy()
        if self._classes.kind == "binary":
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    @property
    def _classes(self) -> Classes:
        check_is_fitted(self)
        targets = self._trained.targets
        assert isinstance(targets, Classes), "made by _read"
        return targets

    def _read(self, y: Array) -> Classes:
        return Classes.of(y, self.loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        possible = kinds_of(self.loss)
        tags.classifier_tags.multi_class = not possible or "multiclass" in possible
        tags.classifier_tags.multi_label = not possible or "multilabel" in possible
        return tags
