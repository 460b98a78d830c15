"""AutoTask: a data path is enough; everything else has a default that can be said otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from autotasks.backbones import Reads, check_backbones, names_of
from autotasks.known_times import KnownTimes
from autotasks.portfolio import KnownGood, affordable, read_portfolio
from gradfleet import AutoDataset, AutoModel, Choice, Objective, Resources, Study, Tuner
from gradfleet.errors import NotFoundError, SettingError
from gradfleet.tasks import (
    Config,
    Ensemble,
    Evaluation,
    Explanation,
    Exported,
    ModelPredictor,
    Recipe,
    Results,
    ServiceClient,
    ServiceSweep,
    Tailor,
    TaskReference,
    is_service,
    order,
)

if TYPE_CHECKING:
    import numpy
    import pandas


class AutoTask(ABC):
    """A kind of problem with everything chosen: how to read it, what to try, what to optimize.

    A preset says what its `tuner` may vary; data, search and prediction are here.

    Args:
        data: what `AutoDataset` takes; a path is enough.
        backbones: pretrained networks, each a local folder or, when online, a name on the Hugging Face hub.
        inputs, target: of a table, the columns to learn from and to learn; guessed, and said, when not given.

    Attributes:
        model: the search that `fit` runs; narrow its space, or give it another objective, before that.

    Raises:
        SettingError: a backbone cannot be read; DataError: nothing can be learned from the data.
    """

    task: ClassVar[str]
    """The name that `autotask` and the command line know it by."""

    objective: ClassVar[Objective] = Objective("val_accuracy", "max")
    epochs: ClassVar[int] = 20
    backbone_kind: ClassVar[str]
    """What a backbone is called when it cannot be had."""

    backbone_reads: ClassVar[Reads] = "texts"
    backbone_may_write: ClassVar[bool] = False
    """Whether a backbone may be an encoder-decoder."""

    portfolio_of: ClassVar[str] = ""
    """The task whose portfolio this one shares; empty for its own."""

    def __init__(
        self,
        data: Any,
        *,
        backbones: Sequence[str | Path] = (),
        seed: int = 0,
        on_bad_rows: str = "raise",
        inputs: str | None = None,
        target: str | Sequence[str] | None = None,
    ) -> None:
        # Absolute, because a worker has another working folder; a name on the hub is no folder here.
        self._backbones = tuple(str(Path(one).absolute()) if Path(one).exists() else str(one) for one in backbones)
        check_backbones(
            self._backbones, kind=self.backbone_kind, reads=self.backbone_reads, may_write=self.backbone_may_write
        )
        names_of(self._backbones)
        self._source = data
        self._told = {"on_bad_rows": on_bad_rows, "inputs": inputs, "target": target}
        told = {"seed": seed, "on_bad_rows": on_bad_rows, "inputs": inputs, "target": target}
        self.data = data if isinstance(data, AutoDataset) else self.read(data, told)
        self.check(self.data)
        self._seed = seed
        self.model = self.automodel(self._backbones)  # here, because the time budget of fit counts from its call
        self._study: Study | ServiceSweep | None = None

    # -- what a preset says --------------------------------------------------------------------------------------------

    @classmethod
    def reading(cls, backbones: Sequence[str]) -> Mapping[str, Any]:
        """What `AutoDataset` is told of how this task reads its data, beside what the user says."""
        del backbones
        return {}

    def read(self, data: Any, told: Mapping[str, Any]) -> AutoDataset:
        """The data, read as the user has `told` and as this task reads it."""
        return AutoDataset(data, **{**told, **self.reading(self._backbones)})

    @abstractmethod
    def check(self, data: AutoDataset) -> None:
        """Make sure of what this task needs of its data.

        Raises:
            DataError: it is not there.
        """

    @classmethod
    @abstractmethod
    def tuner(cls, backbones: Sequence[str] = ()) -> Tuner:
        """What the search may vary."""

    @classmethod
    @abstractmethod
    def automodel(cls, backbones: Sequence[str] = ()) -> AutoModel:
        """The search over `tuner`, with what is not varied."""

    @classmethod
    def portfolio(
        cls, backbones: Sequence[str] = (), *, seconds: float | None = None, gpu: bool = False
    ) -> list[Config]:
        """Known-good configurations, tried right after the default one: those that a search so long has time for."""
        return affordable(cls._known_good(backbones), seconds, gpu=gpu)

    @classmethod
    def _known_good(cls, backbones: Sequence[str]) -> list[KnownGood]:
        return read_portfolio(cls.portfolio_of or cls.task, list(names_of(backbones)))

    def tailor(self, *, epochs: int | None) -> Tailor:
        """What makes the search fit its data, time and machine before it begins.

        Args:
            epochs: of a trial, where the user said it.
        """
        # What the user has narrowed stays, so nothing is left out then.
        known = [] if "architecture" in self.model.narrowing else self._known_good(self._backbones)
        return KnownTimes(known, epochs=epochs or self.epochs, choices=self._architectures)

    @property
    def _architectures(self) -> list[str]:
        """All that may be searched."""
        whole = self.tuner(self._backbones).space()["architecture"]
        assert isinstance(whole, Choice), "it chooses between names"
        return [str(one) for one in whole.choices]

    @classmethod
    def recipe(cls, backbones: Sequence[str] = ()) -> Recipe:
        """How this task's trials are trained and loaded; what a study of it refers to by name."""
        return cls.automodel(backbones).recipe

    @classmethod
    def reference(cls, backbones: Sequence[str]) -> TaskReference:
        return TaskReference(cls.task, {"backbones": list(backbones)} if backbones else {})

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
        extend: bool = False,
        warm_start: bool = True,
        progress: bool = True,
        wait: bool = True,
    ) -> Self:
        """Search for the best model; every argument is that of `AutoModel.fit`, and none is needed.

        With `cluster="service+http://host:8000"` a service runs the search, with the token of GRADFLEET_TOKEN; data
        that lies here is sent there once, and store and artifacts are the service's own.

        A short budget leaves out what is known to take longer; a study that is resumed keeps what it began with.
        """
        if is_service(cluster):
            said: dict[str, Any] = {
                "trials": trials,
                "budget": budget,
                "target": target,
                "patience": patience,
                "epochs": epochs,
            }
            said |= {"sampler": sampler, "scheduler": scheduler, "keep": keep, "repeats": repeats, "folds": folds}
            said |= {"store": store, "artifacts": artifacts, "resume": resume, "retry_failed": retry_failed}
            said |= {"extend": extend, "warm_start": warm_start, "seed": self._seed}
            return self._fit_elsewhere(ServiceClient(cluster), said, name=name, resources=resources, wait=wait)
        self._study = self.model.fit(
            self.data,
            trials=trials,
            budget=budget,
            target=target,
            patience=patience,
            epochs=self.epochs if epochs is None else epochs,
            sampler=sampler,
            scheduler=scheduler,
            portfolio=self.portfolio(self._backbones),
            tailor=self.tailor(epochs=epochs),
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
            extend=extend,
            warm_start=warm_start,
            progress=progress,
            wait=wait,
        )
        return self

    def _fit_elsewhere(
        self,
        client: ServiceClient,
        said: Mapping[str, Any],
        *,
        name: str | None,
        resources: Resources | None,
        wait: bool,
    ) -> Self:
        if not isinstance(self._source, str | Path):
            raise SettingError(
                f"A service takes the path of data, a file or a folder; got {type(self._source).__name__}."
            )
        own = self.automodel(self._backbones).objective
        if self.model.objective != own:
            raise SettingError("A service is told another objective in a sweep file: `gradfleet sweep submit`.")
        options = {key: value for key, value in self._told.items() if value is not None}
        options |= {"backbones": list(self._backbones)} if self._backbones else {}
        space = self.model.narrowing
        self._study = order(
            client, self.task, self._source, options=options, space=space, name=name, resources=resources, **said
        )
        if wait:
            self._study.wait()
        return self

    @property
    def study(self) -> Study | ServiceSweep:
        """The study of the last fit; of one that a service runs, the sweep there.

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

    def evaluate(self, data: Any) -> Evaluation:
        """The best model's metrics over labelled data, such as a held-out folder.

        `loss` is what training minimizes; that of single rows, in `results`, is of calibrated probabilities.
        """
        return self.study.best.model().evaluate(data)

    def top_losses(self, data: Any, count: int = 9) -> pandas.DataFrame:
        """The rows of labelled data that the best model is most wrong about; `results` has all, and their pictures."""
        return self.results(data).table.head(count)

    def results(self, data: Any) -> Results:
        """What the best model says of each labelled row, the worst first: `.table`, and `.plot("worst.png")`."""
        found: Results = self._classifying().results(data)
        return found

    def explain(self, items: Sequence[Any], *, method: str = "occlusion", target: Any = None) -> list[Explanation]:
        """Which places of an image, or words of a text, each prediction of the best model hangs on.

        Args:
            target: the label to explain, where it is not each item's most likely one.
        """
        found: list[Explanation] = self._classifying().explain(items, method=method, target=target)
        return found

    def _classifying(self) -> ModelPredictor:
        predictor = self.study.best.model()
        if not isinstance(predictor, ModelPredictor):
            raise SettingError(f"The best model is {type(predictor).__name__}'s, which does not tell classes apart.")
        return predictor

    def export(
        self, path: str | Path, *, format: str = "bundle", check: bool = True, max_loss: float = 0.01
    ) -> Exported:
        """Write the best model to a folder; it is run in a new process and has to reach its recorded score there.

        Args:
            format: "bundle" for `Bundle.load`, "onnx" or "onnx-int8" for onnxruntime, "torch" for `torch.export.load`,
                "transformers" for `from_pretrained`, of a pretrained network.
            check: whether it is run there; without, nothing is promised.
            max_loss: how much of the score "onnx-int8" may lose.
        """
        study = self.study
        if isinstance(study, ServiceSweep):  # which has checked it
            return study.best.export(path, format=format)
        return study.best.export(path, format=format, check=check, max_loss=max_loss)

    def ensemble(self, *, size: int = 25) -> Ensemble:
        """The mean of the kept models that is best on the validation rows; see `Study.ensemble`."""
        study = self.study
        if isinstance(study, ServiceSweep):
            raise SettingError(f"{study.name} is a sweep of a service; an ensemble is made where its store is opened.")
        return study.ensemble(size=size)
