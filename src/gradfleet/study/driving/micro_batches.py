"""What trials have learned of memory, for later ones of the same network."""

from __future__ import annotations

from collections.abc import Mapping

from gradfleet.training.history import MICRO_BATCH
from gradfleet.trials.plan import Config


class MicroBatches:
    """The rows that went through a network at once after memory had run out, by the choices that make the network."""

    def __init__(self) -> None:
        self._rows: dict[tuple[tuple[str, object], ...], int] = {}

    def note(self, config: Config, metrics: Mapping[str, float]) -> None:
        """Take in a record's `micro_batch`, which it has only where memory ran out."""
        if (rows := metrics.get(MICRO_BATCH)) is not None:
            key = _network(config)
            self._rows[key] = min(int(rows), self._rows.get(key, int(rows)))

    def of(self, config: Config) -> int | None:
        """What a trial of this config starts with; None for whole batches."""
        return self._rows.get(_network(config))


def _network(config: Config) -> tuple[tuple[str, object], ...]:
    """The architecture with its own choices, and the precision: what memory depends on beside the rows."""
    return tuple(sorted((name, value) for name, value in config.items() if name.split(".")[0] in _MAKES_IT))


_MAKES_IT = ("architecture", "precision")
