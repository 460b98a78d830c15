"""AutoTask: a data path is enough; everything else has a default that can be said otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gradfleet import AutoDataset, AutoModel, Objective, Resources, Study, Tuner
from gradfleet.errors import NotFoundError
from gradfleet.tasks import Config, Evaluation, Exported, Recipe, TaskReference

if TYPE_CHECKING:
    import numpy
    import pandas


class AutoTask(ABC):
    """A kind of problem with everything chosen: how to read it, what to try, what to optimize.

    A preset says what its `tuner` may vary; data, search and prediction are here. Options are JSON values, so that
    another process can make the same recipe again from the task's name.

    Args:
        data: what `AutoDataset` takes; a path is enough.
        options: of the preset.

    Attributes:
        model: the search that `fit` runs; narrow its space, or give it another objective, before that.
    """

    task: ClassVar[str]
    """The name that `autotask` and the command line know it by."""

    objective: ClassVar[Objective] = Objective("val_accuracy", "max")
    epochs: ClassVar[int] = 20

    def __init__(self, data: Any, *, seed: int = 0, on_bad_rows: str = "raise") -> None:
        self.data = data if isinstance(data, AutoDataset) else self.dataset(data, seed=seed, on_bad_rows=on_bad_rows)
        self._seed = seed
        self.model = self.automodel()  # here, because the time budget of fit counts from its call
        self._known_good = self.portfolio()
        self._study: Study | None = None

    # -- what a preset says --------------------------------------------------------------------------------------------

    @classmethod
    def dataset(cls, data: Any, *, seed: int, on_bad_rows: str) -> AutoDataset:
        """The data as this task reads it."""
        return AutoDataset(data, seed=seed, on_bad_rows=on_bad_rows)

    @classmethod
    @abstractmethod
    def tuner(cls) -> Tuner:
        """What the search may vary."""

    @classmethod
    def portfolio(cls) -> list[Config]:
        """Known-good configurations, tried right after the default one."""
        return []

    @classmethod
    @abstractmethod
    def automodel(cls) -> AutoModel:
        """The search over `tuner`, with what is not varied."""

    @classmethod
    def recipe(cls) -> Recipe:
        """How this task's trials are trained and loaded; what a study of it refers to by name."""
        return cls.automodel().recipe

    @classmethod
    def reference(cls) -> TaskReference:
        return TaskReference(cls.task)

    # -- what a user does ----------------------------------------------------------------------------------------------

    def fit(
        self,
        *,
        trials: int | None = None,
        budget: str | float | None = None,
        target: float | None = None,
        patience: int | None = None,
        epochs: int | None = None,
        sampler: str = "auto",
        scheduler: str = "asha",
        resources: Resources | None = None,
        cluster: str | None = None,
        name: str | None = None,
        store: str | Path | None = None,
        artifacts: str | None = None,
        resume: bool = False,
        keep: int = 5,
        repeats: int = 1,
        folds: int | None = None,
        retry_failed: bool = False,
        warm_start: bool = True,
        progress: bool = True,
        wait: bool = True,
    ) -> Self:
        """Search for the best model; every argument is that of `AutoModel.fit`, and none is needed."""
        self._study = self.model.fit(
            self.data,
            trials=trials,
            budget=budget,
            target=target,
            patience=patience,
            epochs=self.epochs if epochs is None else epochs,
            sampler=sampler,
            scheduler=scheduler,
            portfolio=self._known_good,
            resources=resources,
            cluster=cluster,
            name=name,
            store=store,
            artifacts=artifacts,
            resume=resume,
            seed=self._seed,
            keep=keep,
            repeats=repeats,
            folds=folds,
            retry_failed=retry_failed,
            warm_start=warm_start,
            progress=progress,
            wait=wait,
        )
        return self

    @property
    def study(self) -> Study:
        """The study of the last fit.

        Raises:
            NotFoundError: nothing was fitted yet.
        """
        if self._study is None:
            raise NotFoundError("There is no study yet: call fit() first, or Study.attach(name) for an earlier one.")
        return self._study

    def leaderboard(self, top: int | None = None) -> pandas.DataFrame:
        """A row a trial, best first; trial 0 is the default configuration."""
        return self.study.leaderboard(top)

    def predict(self, items: Any) -> Sequence[Any]:
        """The best model's prediction of each item, as labels of the data."""
        return self.study.best.model().predict(items)

    def predict_proba(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Probabilities of shape (items, classes), in the order of `self.data.labels`."""
        return self.study.best.model().predict_proba(items)

    def export(
        self, path: str | Path, *, format: str = "bundle", check: bool = True, max_loss: float = 0.01
    ) -> Exported:
        """Write the best model to a folder; it is run in a new process and has to reach its recorded score there.

        Args:
            format: "bundle" for `Bundle.load`, "onnx" or "onnx-int8" for onnxruntime, "torch" for `torch.export.load`.
            check: whether it is run there; without, nothing is promised.
            max_loss: how much of the score "onnx-int8" may lose.
        """
        return self.study.best.export(path, format=format, check=check, max_loss=max_loss)

    def evaluate(self, data: Any) -> Evaluation:
        """The best model's metrics over labelled data, such as a held-out folder."""
        return self.study.best.model().evaluate(data)
