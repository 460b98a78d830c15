"""A study's further generations: another space from now on, with the history kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update

from gradfleet.study.storage import addresses
from gradfleet.study.storage.tables import generations, sources, studies

if TYPE_CHECKING:
    from gradfleet.study.storage.rows import StudyRow

SETTINGS = ("epochs", "settings", "batch_size")
"""What an extension may not change of a spec's training; the rest of it is the text of builders."""

SENTENCE = "To search the new space from here on and keep the history, pass extend=True."


def extended(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What an extension makes of `stored`: the space and the builders of `given`, everything else as it was."""
    training = given["training"]
    if stored["training"] is not None and training is not None:
        kept = {name: stored["training"][name] for name in SETTINGS if name in stored["training"]}
        training = {**{name: value for name, value in training.items() if name not in SETTINGS}, **kept}
    return {**stored, "space": given["space"], "training": training}


def add_generation(connection: Connection, study: StudyRow, spec: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Begin the next generation, and have the spec say what its trials are made from.

    The copies of earlier trials are no part of this: a driver makes those that are missing whenever it starts.
    """
    of_study = generations.c.study_id == study.id
    number = connection.execute(select(func.max(generations.c.number)).where(of_study)).scalar_one() + 1
    row = {"number": number, "optuna_name": f"{study.name}-generation-{number}", "created": time.time()}
    connection.execute(insert(generations).values(study_id=study.id, space=spec["space"], **row))
    changed = {name: spec[name] for name in ("space", "search", "training", "recipe") if name in spec}
    if "search" in changed:
        kept = {name: value for name, value in study.spec["search"].items() if name == "warm_start"}
        changed["search"] = {**changed["search"], **kept}
    spec = addresses.kept({**study.spec, **changed}, study.artifacts, addresses.ARTIFACTS)
    connection.execute(update(studies).where(studies.c.id == study.id).values(spec=spec))
    for name, text in texts.items():
        connection.execute(delete(sources).where(sources.c.study_id == study.id, sources.c.name == name))
        connection.execute(insert(sources).values(study_id=study.id, name=name, text=text))
