"""A trial of a service's sweep, as it was told of, and its model brought here."""

from __future__ import annotations

import json
import math
import os
import tempfile
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.fleet.service_pictures import sweep_path
from gradfleet.training.history import EpochRecord, History

if TYPE_CHECKING:
    from gradfleet.export.bundle import Bundle
    from gradfleet.export.formats import Exported
    from gradfleet.fleet.service_sweep import ServiceSweep

SCORE = "Gradfleet-Score"
"""The header in which an export comes with its score."""

_EXPORTED_WITHIN = 3600.0  # seconds; the model is measured again before anything comes


@dataclass(frozen=True, slots=True)
class ServiceTrial:
    """A trial as the service told of it.

    Attributes:
        value: the objective in the best record; None while there is none.
        epoch: of that record, and `metrics` all of its numbers.
    """

    sweep: ServiceSweep = field(repr=False)
    number: int
    state: str
    value: float | None
    epoch: int | None
    config: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    checkpoint: str | None
    starred: bool
    note: str | None

    @classmethod
    def of(cls, sweep: ServiceSweep, said: Mapping[str, Any]) -> ServiceTrial:
        same = ("state", "value", "config", "metrics", "checkpoint", "starred", "note")
        return cls(sweep, number=said["trial"], epoch=said["best_epoch"], **{name: said[name] for name in same})

    def predictions(self, items: Sequence[str], *, proba: bool = False) -> list[dict[str, Any]]:
        """What its model says there of files or texts; as `TrialView.predictions`.

        The file of a table stands for its rows; one of texts may have no other column.

        Raises:
            DataError: an item cannot be read.
            NotFoundError: its checkpoint was not kept.
        """
        from gradfleet.fleet.sent_items import sent_for  # imports torch

        kind = self.sweep.facts()["items"]
        pairs = [pair for item in items for pair in sent_for(item, kind)]
        items, sent = [name for name, _ in pairs], [item for _, item in pairs]
        found = self.sweep.predictions(sent, trial=self.number, proba=proba)
        if proba:
            return [
                {"item": item, "probabilities": one["probabilities"]} for item, one in zip(items, found, strict=True)
            ]
        return [
            {"item": item, "label": one["prediction"]} | ({} if one["score"] is None else {"score": one["score"]})
            for item, one in zip(items, found, strict=True)
        ]

    def model(self) -> Bundle:
        """Its model, brought here as a bundle.

        Raises:
            NotFoundError: its checkpoint was not kept.
            AccessError: the token may only read.
        """
        from gradfleet.export.bundle import Bundle  # imports torch

        with tempfile.TemporaryDirectory(prefix="gradfleet-bundle-") as name:
            self.export(Path(name, "bundle"))
            return Bundle.load(Path(name, "bundle"))

    def export(
        self, path: str | os.PathLike[str], *, format: str = "bundle", check: bool = True, max_loss: float = 0.01
    ) -> Exported:
        """Write its model to a folder, as the service has checked it; arguments and errors are those of `TrialView`'s.

        Raises:
            AccessError: the token may only read.
        """
        from gradfleet.data.archive import unpack
        from gradfleet.export.formats import Exported, appearing  # imports torch
        from gradfleet.export.score import Score

        to = Path(path).absolute()
        asked = urllib.parse.urlencode({"format": format, "check": str(check).lower(), "max_loss": max_loss})
        with appearing(to) as folder, tempfile.TemporaryDirectory(prefix="gradfleet-export-") as name:
            place = f"{trial_path(self.sweep.name, self.number)}/export?{asked}"
            packed, headers = self.sweep.service.answer("POST", place, within=_EXPORTED_WITHIN)
            file = Path(name, "model.zip")
            file.write_bytes(packed)
            unpack(file, folder)
        said = headers.get(SCORE)
        return Exported(to, format, None if said is None else Score(**json.loads(said)))


@dataclass(frozen=True, slots=True)
class ServiceReplay:
    """A trial that a service has trained again; it keeps what was recorded, and no model.

    Attributes:
        value, recorded: what came, and what the study has.
        epoch: of the record that has the value, and `metrics` all of its numbers.
        history: the replay's records.
        same: whether the recorded value came out again, exactly.
    """

    number: int
    value: float
    recorded: float
    epoch: int
    history: History
    config: Mapping[str, Any]
    same: bool
    checkpoint: None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        return next(record.metrics for record in self.history if record.epoch == self.epoch)


def epoch_record(said: Mapping[str, Any]) -> EpochRecord:
    """One epoch as a service says it; JSON has no NaN, so a metric that is no number came as null."""
    metrics = {name: math.nan if value is None else value for name, value in said["metrics"].items()}
    return EpochRecord(said["epoch"], metrics)


def trial_path(sweep: str, number: int) -> str:
    """Where the service answers for a trial."""
    return f"{sweep_path(sweep)}/trials/{number}"
