"""A Recipe: how one trial is trained and how its checkpoint becomes a predictor again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy

    from gradfleet.data.prepared import DataFacts
    from gradfleet.training.evaluation import Evaluation
    from gradfleet.training.history import EpochRecord
    from gradfleet.trials.plan import TrialPlan


class Report(Protocol):
    """Takes each record of a trial, with the address of its checkpoint when one was written.

    Raises:
        TrialStopped: the trial must end now.
    """

    def __call__(self, record: EpochRecord, checkpoint: str | None = None) -> None: ...


class Predictor(Protocol):
    """A trained model with everything it needs to take raw items."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names in class-number order; None when there are no classes, or they are numbers."""
        ...

    def predict(self, items: Any) -> Sequence[Any]:
        """One prediction an item, in the items' order; labels as they were in the data."""
        ...

    def predict_proba(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Probabilities of shape (items, classes).

        Raises:
            DataError: the model does not classify.
        """
        ...

    def evaluate(self, data: Any) -> Evaluation:
        """Metrics over labelled data, computed over all predictions at once."""
        ...


@runtime_checkable
class CountsTrained(Protocol):
    """A predictor whose `evaluate` notes how many of the rows it was trained on.

    Attributes:
        trained_on: the prepared folder of the training data; None where it is not known.
    """

    trained_on: Path | None


class Recipe(Protocol):
    """Trains one trial anywhere. It is pickled once a sweep and kept by a worker between trials."""

    def run(self, plan: TrialPlan, report: Report) -> None:
        """Train as `plan` says and report each epoch. An exception fails this trial only."""
        ...

    def load(self, checkpoint: Path) -> Predictor:
        """A predictor from a local checkpoint folder that `run` wrote."""
        ...


class OpenRecipe(Recipe, Protocol):
    """A recipe that a search can be made of: it says what its trials are made from."""

    @property
    def brings_data(self) -> bool:
        """Whether it needs no data of the search's."""
        ...

    def missing(self, *, has_data: bool) -> list[str]:
        """What a search of it lacks, a sentence each; `has_data` says whether the search was given any."""
        ...

    def functions(self) -> list[Callable[..., Any]]:
        """The user's own functions and classes that a trial runs."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What trains a trial beside its config, as far as it can be compared, as JSON: settings, digests of source."""
        ...

    def record_names(self, facts: DataFacts) -> tuple[str, ...] | None:
        """The metrics that every record will have, where that can be told before the first one."""
        ...
