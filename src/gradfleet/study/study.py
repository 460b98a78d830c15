"""Study: what a search found, read from its store by whoever wants to look."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradfleet.errors import ExecutionError, NotFoundError, NoUsableTrialError
from gradfleet.goal import Aim
from gradfleet.search.space import SearchSpace
from gradfleet.study import marks, requests
from gradfleet.study.artifacts import Artifacts
from gradfleet.study.driver import Driver
from gradfleet.study.ensemble import SIZE, Ensemble, ensemble
from gradfleet.study.failures import causes, listed
from gradfleet.study.lease import Lease
from gradfleet.study.places import driver_log
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.provenance import Provenance
from gradfleet.study.ranking import front, leaderboard, ranked
from gradfleet.study.replay import Replay, replay
from gradfleet.study.report.facts import report_facts
from gradfleet.study.rows import ENDED, RecordRow, StudyRow, StudyState, TrialRow
from gradfleet.study.standings import Standings
from gradfleet.study.store import Store
from gradfleet.study.view import BestTrial, TrialView
from gradfleet.training.history import EpochRecord, History

if TYPE_CHECKING:
    import pandas

    from gradfleet.trials.recipe import Recipe

_DRIVER_STARTS_WITHIN = 120.0  # seconds; a machine under load takes its time to import torch and Ray
_LOOK_EVERY = 0.5  # seconds
_ASK_EVERY = 2.0  # seconds; a cluster is asked over the network


class Study:
    """A study in a store. Everything is read when it is asked for, so a sweep that runs can be watched.

    Args:
        recipe: the recipe, where the caller has it; else it is loaded from what the store says.
        trust_recipe: load a recipe that was stored by value, which runs its author's code.
        interrupted: whether Ctrl-C ended the sweep that made this object.
        driver: who drives the sweep, where that is a job of a remote cluster and the caller knows it.

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
        driver: Driver | None = None,
    ) -> None:
        self._store = store
        self._id = row.id
        self._given_recipe = recipe
        self._trust_recipe = trust_recipe
        self._driver = driver
        self.name = row.name
        self.spec: Mapping[str, Any] = row.spec
        self.objective: Aim = row.objective
        self.artifacts = Artifacts(row.artifacts)
        self.interrupted = interrupted

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

    def __repr__(self) -> str:
        return f"Study({self.name!r}, store={self._store.url!r})"

    @property
    def row(self) -> StudyRow:
        """All that the store says of the study: spec, seed, fingerprint, versions, commit."""
        return self._store.study(self.name)

    @property
    def provenance(self) -> Provenance:
        """What the study was made with: seed, data, commit, packages, and the source of what trains."""
        row = self.row
        return Provenance(
            created=row.created,
            seed=row.seed,
            commit=row.git_commit,
            dirty=row.git_dirty,
            packages=row.versions,
            fingerprint=row.fingerprint,
            sources=self._store.sources(self._id),
        )

    @property
    def store_url(self) -> str:
        """Where the study is kept, without the store's password."""
        return self._store.url

    @property
    def state(self) -> StudyState:
        return self.row.state

    @property
    def trials(self) -> list[TrialRow]:
        """All trials by number, failed and running ones included."""
        return self._store.trials(self._id)

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
            SettingError: a condition that cannot be read, or a column that there is not.
        """
        return self.standings().select(where, sort).top(top).frame

    def standings(self) -> Standings:
        """The same leaderboard as an object that a notebook, a terminal and a page can show, and that gives JSON."""
        row = self.row
        trials, records = self._store.standings(self._id)
        frame = leaderboard(trials, records.values(), self.objective, now=time.time())
        ranking = ranked(trials, records.values(), self.objective)
        by_number = {trial.number: trial for trial in trials}
        best = ranking[0][0] if ranking else None
        return Standings(self.name, row.state, self.objective, frame, by_number, records, best)

    def _repr_html_(self) -> str:
        return self.standings()._repr_html_()

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
        trials, best = self._store.standings(self._id)
        ranking = ranked(trials, best.values(), self.objective)
        if not ranking:
            raise NoUsableTrialError(_why_none(self.name, trials))
        by_number = {trial.number: trial for trial in trials}
        return [self._with_result(by_number[number], record) for number, record in ranking[:top]]

    @property
    def front(self) -> list[BestTrial]:
        """The trials that keep the constraints and that no other beats in every objective, best of the first first.

        With one objective these are the best trial and its equals; empty while no trial keeps the constraints.
        """
        trials, best = self._store.standings(self._id)
        by_number = {trial.number: trial for trial in trials}
        ranking = dict(ranked(trials, best.values(), self.objective))
        numbers = front(list(ranking.items()), self.objective)
        return [self._with_result(by_number[number], ranking[number]) for number in numbers]

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

    def plot(
        self,
        kind: str,
        *,
        to: str | os.PathLike[str] | None = None,
        metrics: Sequence[str] = (),
        dimensions: Sequence[str] = (),
        theme: str = "light",
    ) -> Any:
        """Draw the study as it is in the store: a matplotlib figure, or the plotly figure of a page.

        Kinds: "history" (every trial and the best so far), "curves" (a metric over epochs), "importance",
        "parallel", "slice", "contour", "pareto" (two metrics against each other) and "timeline".

        Args:
            to: a file to write: `.png`, `.svg` and `.pdf` are drawn by matplotlib; `.html` is an interactive page that
                needs no network.
            metrics: what "curves" shows, the objective when not given; the two of "pareto", of which the objective has
                its mode, and any other is the better the lower, or the higher with a minus before it.
            dimensions: what "parallel", "slice" and "contour" show; the most important ones when not given.
            theme: "light" or "dark".

        Raises:
            SettingError: no such plot, format, metric or dimension; or the extra "plots" is not installed.
            NoUsableTrialError: no trial has a result to draw.
        """
        from gradfleet.study.plots import draw

        facts = self.plot_facts()
        options: dict[str, Any] = {"metrics": metrics, "of": dimensions, "look": theme}
        if to is not None:
            return draw.save(kind, facts, to, **options)
        return draw.settled(draw.draw(kind, facts, **options), look=theme)

    def plot_facts(self) -> PlotFacts:
        """What every plot of the study is drawn from, read at one moment."""
        space = SearchSpace.from_json(self._store.generations(self._id)[-1].space)
        trials, records = self.trials, self._store.records(self._id)
        return PlotFacts(self.name, self.objective, trials, records, space, time.time())

    def report(self, to: str | os.PathLike[str], *, top: int = 20) -> Path:
        """Write the study as one HTML page that needs no network, and return its path.

        It has the best configuration, the contract and what was used of it, the leaderboard, plots, failures by cause,
        and where all of it comes from; see `report_facts` for the same as values.

        Args:
            top: how many trials of the leaderboard are shown, beside the default configuration's.

        Raises:
            SettingError: the extra "plots" is not installed.
        """
        from gradfleet.study.report.page import render  # imports Jinja and matplotlib

        plots = self.plot_facts()
        page = Path(to)
        page.write_text(render(self._report_facts(plots, top=top), plots), encoding="utf-8")
        return page

    def report_facts(self, *, top: int = 20) -> dict[str, Any]:
        """What the report says, as JSON values."""
        return self._report_facts(self.plot_facts(), top=top)

    def _report_facts(self, plots: PlotFacts, *, top: int) -> dict[str, Any]:
        return report_facts(self.row, self.standings(), plots, self.provenance, top=top)

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

    def request(self, verb: str, arguments: Mapping[str, Any] | None = None) -> int:
        """Ask the sweep's driver, wherever it runs, to pause, resume, stop or cancel; the request's id.

        It is answered within about a second while a driver runs, and by the next driver otherwise.

        Raises:
            SettingError: no request is called that.
        """
        return requests.add(self._store, self.row, verb, arguments)

    def answer(self, request: int) -> str | None:
        """What a driver did about a request; None while it has not answered.

        Raises:
            NotFoundError: there is no such request.
        """
        found = requests.get(self._store, request)
        if found is None:
            raise NotFoundError(f"Study {self.name!r} has no request {request}.")
        return found.outcome

    def pause(self) -> int:
        """Ask for no new trials; those that run go on. The request's id, as of `request`."""
        return self.request("pause")

    def resume(self) -> int:
        """Ask for new trials again after a pause."""
        return self.request("resume")

    def stop(self) -> int:
        """Ask for no new trials and an end with those that run."""
        return self.request("stop")

    def cancel(self) -> int:
        """Ask for an end now; running trials keep what they reported."""
        return self.request("cancel")

    def wait(self, timeout: float | None = None) -> Self:
        """Return when the sweep has ended, however it did: `state` tells.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it has not ended by then.
            ExecutionError: its driver has died, or the cluster could not begin; why and how to go on is in the message.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        silent_since = asked = time.monotonic()
        while (state := self.state) not in ENDED:
            now = time.monotonic()
            if Lease.is_held(self._store, self.row):
                silent_since = now
            elif now - asked > _ASK_EVERY:
                asked = now
                self._refuse_failure(state)
            elif now - silent_since > _DRIVER_STARTS_WITHIN:
                raise ExecutionError(
                    f"Study {self.name!r} is {state}, but no driver works on it: it has died, or never began. Go on "
                    f"with fit(name={self.name!r}, resume=True); what it said stands in {self.log}."
                )
            if now >= deadline:
                raise TimeoutError(f"Study {self.name!r} is still {state} after {timeout:g} s.")
            time.sleep(_LOOK_EVERY)
        return self

    def _refuse_failure(self, state: StudyState) -> None:
        """
        Raises:
            ExecutionError: the driver's job has ended before its time.
        """
        why = self.failure()
        if why is not None and self.state == state:
            raise ExecutionError(
                f"Study {self.name!r} is {state}, but its job has ended: {why} Go on with fit(name={self.name!r}, "
                "resume=True)."
            )

    def failure(self) -> str | None:
        """Why the job that drives the study has ended before its time; None where it has not, or is not known."""
        return None if self._driver is None else self._driver.failure()

    def logs(self) -> str:
        """What the driver has said so far, when it is no part of this process.

        Raises:
            NotFoundError: it was driven by the process that began it, or on a host whose files are not seen from here.
        """
        if self._driver is not None:
            return self._driver.logs()
        if not self.log.is_file():
            raise NotFoundError(
                f"{self.name} has no log here: it was driven by the process that began it, or on another host."
            )
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> Path:
        """What the driver says when it has a process of its own, as with `fit(wait=False)`."""
        return driver_log(self.artifacts.url, self.name)

    def delete(self) -> None:
        """Drop the study, its trials and its artifacts, for good.

        Raises:
            LeaseHeldError: a driver works on it; stop that first.
        """
        from gradfleet.study.mirror import delete_mirror  # imports Optuna, which readers can do without

        lease = Lease.acquire(self._store, self.row, wait=False)
        try:
            self.artifacts.delete(self.artifacts.study(self.name))
            for generation in self._store.generations(self._id):
                delete_mirror(self._store.database, generation.optuna_name)
            self._store.delete_study(lease)
        finally:
            lease.release()

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

    def _with_result(self, trial: TrialRow, record: RecordRow) -> BestTrial:
        value = self.objective.value(record.metrics)
        return BestTrial(**self._shared(trial, record), value=value, epoch=record.epoch)

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


def _why_none(name: str, trials: list[TrialRow]) -> str:
    failed = causes(trials)
    if not failed:
        return f"No trial of study {name!r} has a result yet: {len(trials)} were started, none has ended with one."
    return (
        f"No trial of study {name!r} has a result: {len(failed)} of {len(trials)} failed: {listed(failed)}. "
        "The tracebacks are in study.trials."
    )
