"""What Classifier and Regressor share: from sklearn's data to a trained Model."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from gradfleet.data.examples import ArrayExamples, as_tensor
from gradfleet.errors import DataError
from gradfleet.sklearn.checks import check
from gradfleet.sklearn.parameters import Parameters
from gradfleet.sklearn.targets import Targets
from gradfleet.sklearn.trained import Trained
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.history import History
from gradfleet.training.losses import LossChoice
from gradfleet.training.metrics import MetricChoices
from gradfleet.training.model import Model
from gradfleet.training.optimizers import OptimizerChoice
from gradfleet.training.precision import PrecisionName
from gradfleet.training.schedules import ScheduleChoice
from gradfleet.training.state.seeding import seed_everything, untouched_generators

Array = npt.NDArray[Any]


class Estimator(Parameters, ABC):
    """A network with everything that it takes to train it, as sklearn wants an estimator."""

    _y_numeric = False
    _trained: Trained

    def __init__(
        self,
        network: type[nn.Module] | Callable[..., Any] | nn.Module,
        *,
        network_options: Mapping[str, Any] | None = None,
        loss: LossChoice | None = None,
        optimizer: OptimizerChoice = "adamw",
        learning_rate: float | None = None,
        optimizer_options: Mapping[str, Any] | None = None,
        metrics: MetricChoices | None = None,
        schedule: ScheduleChoice | None = None,
        precision: PrecisionName = "fp32",
        clip_norm: float | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        validation_fraction: float | None = None,
        callbacks: Sequence[Callback] | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        """Keep the parameters; `fit` checks all of them at once.

        Args:
            network: a Module's class or a function that returns a Module. It gets `network_options`, and where its
                signature names them `input_shape` (of a row), `num_outputs` and `kind` of the data. A Module that is
                made already is copied by every fit.
            loss: this and what follows up to `clip_norm` is as in `Model.compile`.
            epochs: passes over the rows in a fit.
            validation_fraction: the share of rows that fit holds out and measures after every epoch as `val_...`; None
                trains on all of them. For classes it is stratified.
            callbacks: every fit uses copies of these.
            seed: of the network's first weights, of the held-out rows, and of everything random in training.
            device: where to train; a CUDA device when there is one, else the CPU.
        """
        self.network = network
        self.network_options = network_options
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_options = optimizer_options
        self.metrics = metrics
        self.schedule = schedule
        self.precision = precision
        self.clip_norm = clip_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.seed = seed
        self.device = device

    @property
    def model_(self) -> Model:
        """The trained Model; its `save` writes a folder that loads without running code, which a pickle does not.

        Raises:
            NotFittedError: there is none yet.
        """
        check_is_fitted(self)
        return self._trained.model

    @property
    def history_(self) -> History:
        """One record for every epoch since the last `fit`, or since the first `partial_fit`."""
        return self.model_.history

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803  # sklearn's name
        """Train a new network; one that was trained before is forgotten.

        Args:
            X: rows of numbers, of two or more axes: an array, a DataFrame, a tensor or lists. They become float32.

        Raises:
            SettingError: with every parameter that cannot be, or data that cannot be learned from.
        """
        rows, y = self._checked(X, y, reset=True)
        trained = self._start(rows, self._read(y))
        self._train(trained.model, *self._parts(trained.targets, rows, y), epochs=int(self.epochs))
        self._trained = trained
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_trained")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @abstractmethod
    def _read(self, y: Array) -> Targets:
        """What the y of a fit tells."""

    def _go_on(self, inputs: Any, y: Any, read: Callable[[Array], Targets]) -> Self:
        """Train one more epoch, on these rows alone; `read` tells what the y of the first call does."""
        first = not self.__sklearn_is_fitted__()
        rows, y = self._checked(inputs, y, reset=first)
        trained = self._start(rows, read(y)) if first else self._trained
        self._train(trained.model, ArrayExamples.of(rows, trained.targets.encode(y)), None, epochs=1)
        self._trained = trained
        return self

    def _outputs(self, inputs: Any) -> torch.Tensor:
        """What the network says of rows, in float64: shape (rows, outputs)."""
        check_is_fitted(self)
        rows = as_tensor(self._validated(inputs, reset=False))
        self._check_shape(rows)
        outputs = self.model_.predict(rows, batch_size=int(self.batch_size))
        return outputs.reshape(len(rows), -1).double()

    def _checked(self, inputs: Any, y: Any, *, reset: bool) -> tuple[torch.Tensor, Array]:
        array, y = self._validated(inputs, y=_array(y), multi_output=True, y_numeric=self._y_numeric, reset=reset)
        rows = as_tensor(array)
        if not reset:
            self._check_shape(rows)
        return rows, y.toarray() if hasattr(y, "toarray") else y

    def _validated(self, inputs: Any, **options: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            return validate_data(self, _array(inputs), dtype=np.float32, allow_nd=True, **options)

    def _check_shape(self, rows: torch.Tensor) -> None:
        needed, found = self._trained.facts.input_shape, tuple(rows.shape[1:])
        if found != needed:
            raise DataError(f"X has rows of shape {found}, but {type(self).__name__} is expecting {needed}.")

    def _start(self, rows: torch.Tensor, targets: Targets) -> Trained:
        """An untrained network for such rows.

        Raises:
            SettingError: with every problem of the parameters.
        """
        choice, compiling = check(self.get_params(deep=False), targets.kind)
        with untouched_generators():
            seed_everything(int(self.seed))
            return Trained.start(choice, targets, tuple(rows.shape[1:]), compiling, self.device)

    def _parts(self, targets: Targets, rows: torch.Tensor, y: Array) -> tuple[ArrayExamples, ArrayExamples | None]:
        """What to train on, and what to hold out."""
        encoded = targets.encode(y)
        if self.validation_fraction is None:
            return ArrayExamples.of(rows, encoded), None
        train, held_out = targets.split(encoded, self.validation_fraction, int(self.seed))
        return ArrayExamples.of(rows[train], encoded[train]), ArrayExamples.of(rows[held_out], encoded[held_out])

    def _train(self, model: Model, train: ArrayExamples, held_out: ArrayExamples | None, *, epochs: int) -> None:
        with untouched_generators():
            model.fit(
                train,
                held_out,
                epochs=epochs,
                batch_size=int(self.batch_size),
                callbacks=copy.deepcopy(list(self.callbacks or ())),
                seed=int(self.seed),
                progress=False,  # as everything that scikit-learn calls, it is quiet unless asked for more
            )


def _array(values: Any) -> Any:
    """Tensors as arrays, of types that NumPy has; everything else as it is."""
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()
