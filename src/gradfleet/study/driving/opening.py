"""Opening: where a study is kept, and how it is begun there: made, gone on with, or extended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradfleet.errors import StudyMismatchError
from gradfleet.search.space import SearchSpace
from gradfleet.study.deletion import delete_study
from gradfleet.study.driving.warm_start import taken_over
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.preflight import check_study, holds_its_name
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store, name_taken
from gradfleet.trials.recipe import Recipe
from gradfleet.trials.recipes import by_value, has_recipe, pickle_reference, store_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A study as `fit` is asked for it.

    Attributes:
        store: a SQLite path or a database URL; `gradfleet.db` in the working folder when None.
        resume: whether the study of that name may be there already.
        extend: whether it may be there with another space.
        warm_start: whether a new one begins with what earlier studies of the store have found.
    """

    name: str
    store: str | Path | None = None
    resume: bool = False
    extend: bool = False
    warm_start: bool = True

    def check(self) -> None:
        """Refuse, before anything is written, what `open` would.

        Raises:
            SettingError: the name cannot be one, or is taken and the study is not to be gone on with.
            StoreError: no store can be there.
        """
        check_study(self.store, self.name, resume=self.resume or self.extend)

    def check_present(self, store: Store, spec: Mapping[str, Any], *, fingerprint: str | None) -> None:
        """Refuse, before anything is started, the study of that name that is there.

        Raises:
            SettingError: it is not to be gone on with.
            StudyMismatchError: as `open`.
            LeaseHeldError: a living driver on this host works on it.
        """
        present = self.present(store)
        if present is None or self._replaces(present, store, spec, fingerprint):
            return
        if not (self.resume or self.extend):
            raise name_taken(self.name, store.url)
        study = store.open_study(self.name, spec, fingerprint=fingerprint, extend=self.extend)
        Lease.check_free(store, study)

    def present(self, store: Store) -> StudyRow | None:
        """The study of that name that is there."""
        return next((study for study in store.studies() if study.name == self.name), None)

    def _replaces(self, present: StudyRow, store: Store, spec: Mapping[str, Any], fingerprint: str | None) -> bool:
        """Whether a new study takes the place of the one that is there: without a record it holds no name.

        One that is made from the same and is to be gone on with is gone on with all the same.
        """
        if holds_its_name(store, present):
            return False
        if not (self.resume or self.extend):
            return True
        try:
            store.open_study(self.name, spec, fingerprint=fingerprint, extend=self.extend)
        except StudyMismatchError:
            return True
        return False

    def open(
        self,
        store: Store,
        spec: Mapping[str, Any],
        *,
        fingerprint: str | None,
        artifacts: str,
        texts: Mapping[str, str],
        recipe: Recipe | None,
        say: Callable[[str], None],
    ) -> StudyRow:
        """The study of that name: the one that is there, when it may be gone on with, else a new one.

        One that is there without any record, and that nobody drives, gives way to a new one.

        Args:
            texts: the user's own source files, kept with it.
            recipe: to be kept by value; None for one that is found by its name.

        Raises:
            StudyMismatchError: the one that is there is of other data, another space or objective.
            ExecutionError: the recipe cannot be kept by value.
        """
        present = self.present(store)
        if present is not None and self._replaces(present, store, spec, fingerprint):
            if delete_study(store, present, unless_recorded=True):
                say(f"Study {self.name!r} was there without any record; it is begun anew.")
            present = self.present(store)
        goes_on = (self.resume or self.extend) and present is not None
        if goes_on and not self.extend:
            study = store.open_study(self.name, spec, fingerprint=fingerprint)
            if recipe is not None and not has_recipe(self._place(artifacts)):  # whoever made the study was killed
                self._keep(by_value(recipe), artifacts)
            return study
        packed = None if recipe is None else by_value(recipe)  # before anything is written
        if goes_on:
            study = store.open_study(self.name, spec, fingerprint=fingerprint, extend=True)
            with Lease.acquire(store, study) as lease:
                self._keep(packed, artifacts)
                return store.extend_study(lease, spec, texts)
        if self.warm_start:
            spec = {**spec, "search": {**spec["search"], "warm_start": _warm_start(store, spec, fingerprint)}}
        study = store.create_study(
            self.name, spec, fingerprint=fingerprint, seed=spec["search"]["seed"], artifacts=artifacts, texts=texts
        )
        self._keep(packed, artifacts)
        return study

    def recipe_reference(self, artifacts: str) -> dict[str, Any]:
        """What a spec says of a recipe that is kept by value."""
        return pickle_reference(self._place(artifacts))

    def _keep(self, packed: bytes | None, artifacts: str) -> None:
        if packed is not None:
            store_recipe(packed, self._place(artifacts))

    def _place(self, artifacts: str) -> str:
        return f"{artifacts}/{self.name}"


def new_name(what: str) -> str:
    """A name that says what and when, with a tail that keeps two of one second apart."""
    return f"{what}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _warm_start(store: Store, spec: Mapping[str, Any], fingerprint: str | None) -> list[dict[str, Any]]:
    known = [SearchSpace.from_json(spec["space"]).default(), *spec["search"]["portfolio"]]
    return taken_over(store, spec, fingerprint=fingerprint, known=known, trials=spec["search"]["budget"]["trials"])
