"""Fitting: one call of `fit` whose settings hold, from its data to a study."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.prepared import DataRef
from gradfleet.errors import SettingError, unknown_name
from gradfleet.fleet.driver import begin
from gradfleet.fleet.heads import head_at
from gradfleet.fleet.order import Order
from gradfleet.fleet.settings import SweepSettings
from gradfleet.fleet.sweep import run_sweep
from gradfleet.goal import Aim
from gradfleet.search.narrowing import Narrowing, narrowed
from gradfleet.search.portfolio import Portfolio
from gradfleet.search.space import SearchSpace
from gradfleet.study.driving.opening import Opening
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.places import prepared_folder
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.recipe import OpenRecipe
from gradfleet.trials.recipes import TaskReference
from gradfleet.trials.repeated import names_of_means
from gradfleet.trials.sources import sources_of
from gradfleet.trials.tailoring import Situation, Tailor, Tailoring


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched.

    Attributes:
        whole_space: what was registered, before any narrowing.
        reference: how another process finds the recipe by name; None where it is stored by value.
    """

    recipe: OpenRecipe
    whole_space: SearchSpace
    narrowing: Mapping[str, Narrowing]
    reference: TaskReference | None

    @property
    def space(self) -> SearchSpace:
        return narrowed(self.whole_space, self.narrowing)

    def tailored(self, found: Tailoring) -> Search:
        """The same, narrowed further where nobody has said anything, and of what is still drawn then."""
        more = {name: one for name, one in found.narrowing.items() if name not in self.narrowing}
        chosen = {name: one for name, one in more.items() if name == "architecture"}
        space = narrowed(self.whole_space, {**self.narrowing, **chosen})
        more = {name: one for name, one in more.items() if name in space.names}
        return replace(self, narrowing={**self.narrowing, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """A call of `fit`, checked as far as it can be without its data and its store.

    Attributes:
        artifacts: URL of where checkpoints go.
        repeats, folds: how many runs a trial has.
        tailor: what changes space, epochs and portfolio once the data is known.
        started: Unix time of the call; the time budget counts from it.
    """

    search: Search
    settings: SweepSettings
    opening: Opening
    artifacts: str
    repeats: int
    folds: int | None
    tailor: Tailor | None
    started: float
    view: SweepProgress

    def run(self, data: AutoDataset | str | Path | tuple[Any, Any] | None, *, wait: bool) -> Study:
        """The study, when its sweep has ended, or as a handle; errors as of `AutoModel.fit`."""
        parts = () if data is None else self._prepare(data)
        store = Store.open(self.opening.store)
        try:
            found = self._tailoring(store, parts)
            if found is None:
                return self._begin(store, parts, {}, wait=wait)
            if found.said:
                self.view.say(found.said)
            search = self.search.tailored(found)
            known = Portfolio.fitting(search.space, found.portfolio).configs
            settings = replace(self.settings, epochs=found.epochs, portfolio=known)
            tailored = replace(self, search=search, settings=settings)
            return tailored._begin(store, parts, {"tailoring": found.to_json()}, wait=wait)
        except BaseException:
            store.close()
            raise

    def _prepare(self, data: Any) -> tuple[DataRef, ...]:
        """Check, split and prepare the data, each fold of it; and the objective against what its records will hold."""
        dataset = data if isinstance(data, AutoDataset) else AutoDataset(data, seed=self.settings.seed)
        parts = (dataset,) if self.folds is None else dataset.folds(self.folds)
        prepared = tuple(part.prepare(prepared_folder(self.artifacts)) for part in parts)
        for note in parts[-1].notes:
            self.view.say(note)
        names = self.search.recipe.record_names(prepared[-1].open().facts)
        if names is not None:
            _refuse_unrecorded(self.settings.objective, names)
        return prepared

    def _tailoring(self, store: Store, parts: Sequence[DataRef]) -> Tailoring | None:
        """What the study of that name was made with; of a new one, what the tailor decides."""
        if self.tailor is None or not parts:
            return None
        opening = self.opening
        present = opening.present(store) if opening.resume and not opening.extend else None
        if present is not None:
            kept = present.spec.get("tailoring")
            return None if kept is None else Tailoring.from_json(kept)
        limit = self.settings.budget.seconds
        left = None if limit is None else max(0.0, self.started + limit - time.time())
        cluster = self.settings.cluster
        is_here = cluster in (None, "inline") or head_at(cluster) is not None
        return self.tailor(Situation(parts[-1], limit, left, self.settings.resources, is_here))

    def _begin(self, store: Store, parts: Sequence[DataRef], said: Mapping[str, Any], *, wait: bool) -> Study:
        """Open the study and have somebody drive it.

        Args:
            said: what its spec says beside what it is made from.
        """
        spec = {**self._spec(parts), **said}
        is_here = not self.settings.is_remote
        if is_here:  # what is sent twice to a cluster is one job there
            self.opening.check_present(store, spec, fingerprint=_fingerprint(parts))
        executor = self.settings.executor() if wait and is_here else None  # Ray starts here
        order = Order(
            study=self.opening.name,
            recipe=self.search.recipe,
            space=self.search.space,
            settings=self.settings,
            data=parts[-1] if parts else None,  # of the run whose model is kept
            started=self.started,
        )
        opened = partial(self._open, store, spec, parts)
        if not is_here:
            return self._send(order, store, opened, wait=wait)
        opened()
        if executor is None:
            return self._hand_over(order, store)
        return run_sweep(order, executor, store=store, view=self.view)

    def _spec(self, parts: Sequence[DataRef]) -> dict[str, Any]:
        """What the study is made from, as JSON: a study is gone on with under the same only."""
        settings, recipe, reference = self.settings, self.search.recipe, self.search.reference
        spec: dict[str, Any] = {
            "objective": settings.objective.to_json(),
            "space": self.search.space.to_json(),
            "search": settings.to_json(),
            "training": {"epochs": settings.epochs, **recipe.identity()},
            "recipe": reference.to_json() if reference else self.opening.recipe_reference(self.artifacts),
            "data": parts[-1].place if parts else None,
            "facts": _facts(parts[-1]) if parts else None,
        }
        if settings.objective.num_runs > 1:
            spec["runs"] = {"repeats": self.repeats, "folds": [asdict(part) for part in parts] if self.folds else []}
        if isinstance(recipe, FunctionRecipe):
            spec["function"] = recipe.name
        return spec

    def _open(self, store: Store, spec: Mapping[str, Any], parts: Sequence[DataRef]) -> StudyRow:
        """The study in the store."""
        recipe = self.search.recipe
        return self.opening.open(
            store,
            spec,
            fingerprint=_fingerprint(parts),
            artifacts=self.artifacts,
            texts=sources_of(recipe.functions()),
            recipe=None if self.search.reference else recipe,
            say=self.view.say,
        )

    def _send(self, order: Order, store: Store, opened: Callable[[], StudyRow], *, wait: bool) -> Study:
        """Have a remote cluster run the order."""
        from gradfleet.fleet.remote import follow, send  # Ray takes a second to import

        sent = send(order, store, opened, artifacts=self.artifacts, say=self.view.say)
        return follow(sent, say=self.view.say) if wait else sent

    def _hand_over(self, order: Order, store: Store) -> Study:
        """Have a process of its own run the order."""
        handle = Study(store, store.study(order.study), recipe=order.recipe)
        pid = begin(order, store, log=handle.log)
        until = order.settings.budget
        self.view.say(f"Study {order.study!r} in {store.url} is driven by process {pid}, until {until}.")
        return handle


def _refuse_unrecorded(objective: Aim, names: Sequence[str]) -> None:
    """Refuse an objective that no record will hold."""
    recorded = names_of_means(names, objective) if objective.num_runs > 1 else tuple(names)
    missing = [metric for metric in objective.metrics if metric not in recorded]
    if missing:
        raise SettingError([unknown_name("metric in the records", metric, recorded) for metric in missing])


def _fingerprint(parts: Sequence[DataRef]) -> str | None:
    """The folder is named after content, split and preparation: the same rows split otherwise are other data."""
    return Path(parts[-1].place).name if parts else None


def _facts(prepared: DataRef) -> dict[str, Any]:
    """What a reader of the study is told of its data; statistics stay with the data."""
    return {name: value for name, value in prepared.open().facts.to_json().items() if name != "statistics"}
