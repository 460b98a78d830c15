"""One trial as a user sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.errors import NotFoundError
from gradfleet.goal import OWN, aim_from_json
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.storage.provenance import package_versions
from gradfleet.study.storage.rows import TrialState
from gradfleet.trials.recipe import CountsTrained

if TYPE_CHECKING:
    from gradfleet.export.formats import Exported
    from gradfleet.export.trained import Trained
    from gradfleet.trials.plan import Config
    from gradfleet.trials.recipe import Predictor, Recipe


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial with the numbers of its best record.

    Attributes:
        value: the objective in the best record; None while there is none.
        epoch: of the best record; None while there is none.
        metrics: all numbers of the best record.
        feasible: whether that record keeps every constraint of the study.
        checkpoint: address of the best record's checkpoint; None when it has none, or it was not kept.
        starred: whether somebody has marked it.
        note: what somebody wrote about it.
        study, spec: the study's name and what it was made from.
    """

    number: int
    state: TrialState
    value: float | None
    epoch: int | None
    config: Config
    metrics: Mapping[str, float]
    feasible: bool
    checkpoint: str | None
    starred: bool
    note: str | None
    artifacts: Artifacts = field(repr=False)
    recipe: Callable[[], Recipe] = field(repr=False)
    study: str = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)

    def model(self) -> Predictor:
        """The model of the best record, ready to predict.

        Raises:
            NotFoundError: that record has no checkpoint.
            ExecutionError: the study's recipe runs its author's code, and nobody said that it is trusted.
        """
        model = self.recipe().load(self.files())
        if isinstance(model, CountsTrained) and self.spec["data"] is not None:
            model.trained_on = Path(self.spec["data"])
        return model

    def predictions(self, items: Sequence[str], *, proba: bool = False) -> list[dict[str, Any]]:
        """What its model says of files: `item` and `label` of each.

        The file of a table stands for its rows. Where it learned from texts, an item is a text, or a .txt file.

        Where labels have scores, such as sentiments, each has its `score` too.

        Args:
            proba: `probabilities` by class instead of the label.

        Raises:
            DataError: an item cannot be read, or there are no probabilities.
            NotFoundError, ExecutionError: as `model`.
        """
        from gradfleet.data.scratch import Scratch
        from gradfleet.data.typed_items import named_items  # imports torch
        from gradfleet.trials.answers import answers_of

        model: Any = self.model()
        scratch = Scratch()
        with scratch.naming():
            pairs = named_items(items, model.facts, scratch)
            items, located = [scratch.told(name) for name, _ in pairs], [item for _, item in pairs]
            said = answers_of(model, located)
        if not proba:
            found = [{"item": item, "label": label} for item, label in zip(items, said.labels, strict=True)]
            scores = said.scores.tolist() if model.facts.label_scores else []
            return [one | {"score": score} for one, score in zip(found, scores, strict=True)] if scores else found
        table = said.probabilities.tolist()
        names = [str(label) for label in model.facts.labels or range(len(table[0]))]
        return [
            {"item": item, "probabilities": dict(zip(names, row, strict=True))}
            for item, row in zip(items, table, strict=True)
        ]

    def export(
        self, path: str | os.PathLike[str], *, format: str = "bundle", check: bool = True, max_loss: float = 0.01
    ) -> Exported:
        """Write the model to a folder, for use without this study; every argument is that of `export.formats.export`.

        Raises:
            SettingError: there is no such format, or something is at `path` already.
            ExportError: the model cannot be written so, or does not give its recorded score in a new process.
            NotFoundError: as `model`.
        """
        from gradfleet.export.formats import export  # imports torch, which a leaderboard can do without

        about = {"study": self.study, "trial": self.number, "epoch": self.epoch, "config": dict(self.config)}
        done = trained([(self, 1.0)], self.own_metrics, {**about, "metrics": dict(self.metrics)})
        return export(done, path, format=format, check=check, max_loss=max_loss)

    @property
    def own_metrics(self) -> Mapping[str, float]:
        """The numbers of the run whose model is kept, where a trial has several; else `metrics`."""
        own = {name.removeprefix(OWN): value for name, value in self.metrics.items() if name.startswith(OWN)}
        return {**self.metrics, **own}

    def files(self) -> Path:
        """The best record's checkpoint as a local folder.

        Raises:
            NotFoundError: that record has none.
        """
        if self.checkpoint is None:
            raise NotFoundError(f"Trial {self.number} has no model: {self._why_none()}")
        return self.artifacts.fetch(self.checkpoint)

    def validation(self) -> Any:
        """The prepared rows that the trial was validated on.

        Raises:
            NotFoundError: the search brought its own data.
            ExecutionError: the data is not there any more.
        """
        from gradfleet.data.prepared import read_prepared

        if self.spec["data"] is None:
            raise NotFoundError(f"Study {self.study!r} brought its own data: its validation rows are not known here.")
        return read_prepared(Path(self.spec["data"])).validation

    def _why_none(self) -> str:
        if self.epoch is None:
            return "it recorded no epoch with a number for the objective."
        return (
            f"its best record, epoch {self.epoch}, came without a checkpoint, or the checkpoint was not among those "
            "kept after the sweep. Pass a larger keep= to keep more of them."
        )


@dataclass(frozen=True, slots=True)
class BestTrial(TrialView):
    """The best trial of a study; it has a record, so its value and epoch are numbers."""

    value: float
    epoch: int


def trained(
    trials: Sequence[tuple[TrialView, float]], metrics: Mapping[str, float], about: Mapping[str, Any]
) -> Trained:
    """Trials of one study as what is exported, each with how much it counts.

    Args:
        metrics: that a check has to find again.
        about: JSON on where it comes from.
    """
    from gradfleet.export.trained import Trained

    first, _ = trials[0]
    data = first.spec["data"]
    return Trained(
        {trial.files(): weight for trial, weight in trials},
        first.recipe(),
        first.spec["recipe"],
        aim_from_json(first.spec["objective"]).objectives[0],
        metrics,
        None if data is None else Path(data),
        {**about, "versions": package_versions()},
    )
