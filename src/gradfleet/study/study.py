"""Study: what a search found, read from its store by whoever wants to look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradfleet.errors import NoUsableTrialError
from gradfleet.notebook import Followed, LiveCell
from gradfleet.study.board import Board
from gradfleet.study.card import Card, Curve
from gradfleet.study.deletion import delete_study
from gradfleet.study.driving.failures import why_none
from gradfleet.study.ensemble import SIZE, Ensemble, ensemble
from gradfleet.study.pictured import PicturedStudy
from gradfleet.study.ranking import Ranking
from gradfleet.study.replay import Replay, replay
from gradfleet.study.standings import Standings
from gradfleet.study.steered import SteeredStudy
from gradfleet.study.storage import marks
from gradfleet.study.storage.rows import ENDED, RecordRow, StudyRow, TrialRow
from gradfleet.study.storage.store import Store
from gradfleet.study.view import BestTrial, TrialView
from gradfleet.training.history import EpochRecord, History

if TYPE_CHECKING:
    import pandas

    from gradfleet.trials.recipe import Recipe


_SHOWN = 10
"""Trials that a cell of a notebook lists."""


class Study(SteeredStudy, PicturedStudy, Followed):
    """A study in a store. Everything is read when it is asked for, so a sweep that runs can be watched.

    Args:
        recipe: the recipe, where the caller has it; else it is loaded from what the store says.
        trust_recipe: load a recipe that was stored by value, which runs its author's code.
        interrupted: whether Ctrl-C ended the sweep that made this object.
        board: the study's, where it is kept for longer than this object.

    Example:
        >>> study = Study.attach("digits", store="gradfleet.db")  # doctest: +SKIP
        >>> study.best.value, study.best.config  # doctest: +SKIP
        (0.9911, {'architecture': 'cnn', 'architecture.cnn.channels': 32})
    """

    def __init__(
        self,
        store: Store,
        row: StudyRow,
        *,
        recipe: Recipe | None = None,
        trust_recipe: bool = False,
        interrupted: bool = False,
        board: Board | None = None,
    ) -> None:
        super().__init__(store, row, board=board)
        self._given_recipe = recipe
        self._trust_recipe = trust_recipe
        self.interrupted = interrupted
        self._cell = LiveCell()

    @classmethod
    def attach(cls, name: str, *, store: str | Path | None = None, trust_recipe: bool = False) -> Study:
        """The study of that name, whether its sweep runs, has ended, or was killed.

        Args:
            store: where it was made; `gradfleet.db` in the working folder when not given.

        Raises:
            NotFoundError: there is no such store, or no such study in it.
        """
        opened = Store.open(store, must_exist=True)
        return cls(opened, opened.study(name), trust_recipe=trust_recipe)

    @classmethod
    def all(cls, *, store: str | Path | None = None) -> list[Study]:
        """Every study of a store, oldest first.

        Raises:
            NotFoundError: there is no such store.
        """
        opened = Store.open(store, must_exist=True)
        return [cls(opened, row) for row in opened.studies()]

    def leaderboard(
        self, top: int | None = None, *, where: str | Iterable[str] = (), sort: str | Iterable[str] = ()
    ) -> pandas.DataFrame:
        """One row a trial, best first: those that run come after, then those without a usable result.

        Columns are trial, value (of the best record), state, best_epoch, epochs, seconds, reason, starred, note, then,
        where there are such, further objectives and constrained metrics, how the value varies between runs, `feasible`
        and `front`, and then the configuration's.

        Args:
            top: how many rows at most.
            where: conditions that all must hold, such as `"value >= 0.9"`, `"optimizer = sgd"` or `"starred"`.
            sort: columns to order by, the largest first with a minus: `"-seconds"`.

        Raises:
            SettingError: a condition that cannot be read, a column that there is not, or `top` below 0.
        """
        return self.standings(where, sort, top=top).frame

    def wait(self, timeout: float | None = None) -> Self:
        """As `SteeredStudy.wait`; the cell of a notebook that follows the sweep shows its end then."""
        super().wait(timeout)
        self._cell.settle()
        return self

    def _look(self) -> tuple[str, bool]:
        standings = self.standings()
        more = len(standings) - _SHOWN
        rest = f"<p>and {more} more: <code>leaderboard()</code></p>" if more > 0 else ""
        shown = self._card(standings).html() + standings.top(_SHOWN)._repr_html_() + rest
        return shown, standings.state in ENDED

    def _card(self, standings: Standings) -> Card:
        metric, number = self.objective.metric, standings.best
        if number is None:
            return Card(self.name, standings.state, None, metric, page=self.page)
        found = f"best {metric} {standings.ranking.trials[number].value:.4f}, trial {number}"
        points = [(record.epoch, self.objective.value(record.metrics)) for record in self._records(number)]
        curve = Curve(number, [(epoch, value) for epoch, value in points if math.isfinite(value)])
        return Card(self.name, standings.state, found, metric, curve, self.page)

    def star(self, number: int, *, starred: bool = True) -> None:
        """Mark a trial, while the study runs too; `starred=False` takes the mark away.

        Raises:
            NotFoundError: there is no trial of that number.
        """
        marks.star(self._store, self.row, number, starred=starred)

    def note(self, number: int, text: str) -> None:
        """Write about a trial, over what was written before; an empty text takes it away.

        Raises:
            NotFoundError: there is no trial of that number.
        """
        marks.note(self._store, self.row, number, text)

    @property
    def best(self) -> BestTrial:
        """The trial with the best record of all; a failed trial is never it, nor is one that still runs.

        With several objectives the first one decides; `front` has the others. A trial that breaks a constraint is the
        best only while none keeps them all: look at its `feasible`.

        Raises:
            NoUsableTrialError: no trial has a result; the most frequent cause of failure is in the message.
        """
        return self._ranked(top=1)[0]

    def _ranked(self, *, top: int | None = None) -> list[BestTrial]:
        """The trials that may be best, best first; at least one.

        Raises:
            NoUsableTrialError: there is none.
        """
        ranking = self._board.ranking()
        if not ranking.usable:
            raise NoUsableTrialError(why_none(self.name, list(ranking.trials.values()), self.objective.metric))
        return [self._with_result(ranking, number) for number in ranking.usable[:top]]

    @property
    def front(self) -> list[BestTrial]:
        """The trials that keep the constraints and that no other beats in every objective, best of the first first.

        With one objective these are the best trial and its equals; empty while no trial keeps the constraints.
        """
        ranking = self._board.ranking()
        return [self._with_result(ranking, number) for number in ranking.front]

    def ensemble(self, *, size: int = SIZE) -> Ensemble:
        """The mean of some of the models that were kept: what is best on the validation rows.

        Chosen greedily, a model as often as it helps (Caruana et al., 2004), from what each said of the validation
        rows, which lies beside its checkpoint; where it was not kept, the models are asked again. On those rows it is
        never worse than the best single model. The more trials were kept (`keep=` of fit), the more there is to
        choose from. Trials that break a constraint, or were stopped before the last of their runs, are left out.

        Args:
            size: additions at most, so that no weight is below 1 / size.

        Raises:
            NoUsableTrialError: no trial has a result.
            SettingError: the objective is not a metric of validation rows.
            NotFoundError: no model was kept.
            ExecutionError: the models are not of one network each, or the recipe is not trusted.
        """
        found = self._ranked()
        final = [one for one in found if self.objective.final(one.metrics)]
        return ensemble(final or found[:1], self.objective, study=self.name, size=size)

    def trial(self, number: int) -> TrialView:
        """One trial with its best record.

        Raises:
            NotFoundError: there is no trial of that number.
        """
        trial = self._store.trial(self._id, number)
        record = next((record for record in self._records(number) if record.epoch == trial.best_epoch), None)
        return TrialView(**self._shared(trial, record), value=trial.value, epoch=trial.best_epoch)

    def history(self, number: int) -> History:
        """All records of one trial.

        Raises:
            NotFoundError: there is no trial of that number.
        """
        self._store.trial(self._id, number)
        return History(row.record for row in self._records(number))

    def replay(self, number: int, *, say: Callable[[EpochRecord], object] | None = None) -> Replay:
        """Train a trial again from what the study keeps, in this process, for as many epochs as it had.

        With the packages, the data and the kind of device that the trial had, its recorded value comes out again. A
        copy of population training is trained from the beginning of its chain of parents.

        Args:
            say: takes each record as it comes.

        Raises:
            NotFoundError: there is no such trial, or it has no value.
            ExecutionError: the recipe is not trusted, the data is gone, or the trial raises where it did not before.
        """
        trial = partial(self._store.trial, self._id)
        shared = self._shared(trial(number), None)
        return replay(self.row, trial, number, self.recipe, say=say or (lambda _: None), shared=shared)

    def delete(self) -> None:
        """Drop the study, its trials and its artifacts, for good.

        Raises:
            LeaseHeldError: a driver works on it; stop that first.
        """
        delete_study(self._store, self.row)

    @cached_property
    def recipe(self) -> Recipe:
        """What trained the trials.

        Raises:
            ExecutionError: it runs its author's code, and nobody said that it is trusted.
            NotFoundError: it is a preset that is not installed here.
        """
        if self._given_recipe is not None:
            return self._given_recipe
        from gradfleet.trials.recipes import load_recipe  # imports torch, which a leaderboard can do without

        return load_recipe(self.spec["recipe"], trusted=self._trust_recipe)

    def _with_result(self, ranking: Ranking, number: int) -> BestTrial:
        record = ranking.records[number]
        value = self.objective.value(record.metrics)
        return BestTrial(**self._shared(ranking.trials[number], record), value=value, epoch=record.epoch)

    def _records(self, number: int) -> list[RecordRow]:
        return self._store.records(self._id, number)

    def _shared(self, trial: TrialRow, record: RecordRow | None) -> dict[str, Any]:
        return {
            "number": trial.number,
            "state": trial.state,
            "config": trial.config,
            "metrics": {} if record is None else record.metrics,
            "feasible": record is not None and not self.objective.violation(record.metrics),
            "checkpoint": trial.checkpoint,
            "starred": trial.starred,
            "note": trial.note,
            "artifacts": self.artifacts,
            "recipe": lambda: self.recipe,
            "study": self.name,
            "spec": self.spec,
        }
