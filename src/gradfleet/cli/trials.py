"""`gradfleet best` and `replay`: one trial of a study, looked at or trained again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gradfleet.cli import exits
from gradfleet.cli.options import AnyStoreOption, JsonOption, Name, Trial, TrustOption
from gradfleet.cli.outcome import facts, lines_of, outcome
from gradfleet.cli.output import note, pairs, show, show_json, users_code
from gradfleet.cli.studies import study_at

if TYPE_CHECKING:
    from gradfleet.training.history import EpochRecord

BEST_EXAMPLES = ("gradfleet best flowers", "gradfleet best flowers --json")

REPLAY_EXAMPLES = ("gradfleet replay flowers 12", "gradfleet replay flowers 0 --json")


def best(name: Name, *, store: AnyStoreOption = None, json: JsonOption = False) -> None:
    """Show the best trial of a study so far: its value, its configuration, its checkpoint."""
    found = outcome(study_at(name, store=store))
    if json:
        show_json(found)
    else:
        show(pairs(lines_of(found)))


def replay(
    name: Name,
    trial: Trial,
    *,
    trust_recipe: TrustOption = False,
    store: AnyStoreOption = None,
    json: JsonOption = False,
) -> None:
    """Train a trial again from what the study keeps, and compare its value with the recorded one.

    Ends with exit code 6 when another value came out, as it may with other packages or on another kind of device. A
    service trains it on its own machine, and keeps no model of it.
    """
    study = study_at(name, store=store, trust_recipe=trust_recipe)
    objective = study.objective
    metric = objective.metric

    def say(record: EpochRecord) -> None:
        note(f"epoch {record.epoch}: {metric} {objective.value(record.metrics):.4f}")

    with users_code():
        again = study.replay(trial, say=say)
    if json:
        show_json({"study": study.name, **facts(again), "recorded": again.recorded, "same": again.same})
    else:
        verdict = "the same" if again.same else "not the same"
        value = f"{again.value:.10g} after epoch {again.epoch}"
        lines = {"trial": again.number, metric: value, "recorded": f"{again.recorded:.10g}, {verdict}"}
        lines |= {} if again.checkpoint is None else {"checkpoint": again.checkpoint}
        show(pairs(lines))
    raise typer.Exit(exits.DONE if again.same else exits.TARGET_MISSED)
