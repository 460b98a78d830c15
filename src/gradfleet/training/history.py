"""What training wrote down: one record an epoch, and the history of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import pandas


MICRO_BATCH = "micro_batch"
"""The metric that says how many rows went through the network at once; records have it where memory ran out."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """All numbers of one epoch; everybody (callbacks, scheduler, store, progress) reads this one record.

    Attributes:
        epoch: how many epochs the model has behind it; the first record has 1.
        metrics: name to value; `train_` and `val_` prefixes keep the two apart.
        batches: name to a value for each training batch, such as "loss"; empty unless a BatchHistory was asked for.
    """

    epoch: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    batches: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric]


class History(Sequence[EpochRecord]):
    """The records of a fit, in order of epoch.

    Example:
        >>> history = History([EpochRecord(1, {"val_loss": 0.5}), EpochRecord(2, {"val_loss": 0.4})])
        >>> history[-1]["val_loss"], history.values("val_loss")
        (0.4, [0.5, 0.4])
    """

    def __init__(self, records: Iterable[EpochRecord] = ()) -> None:
        self._records = list(records)

    def append(self, record: EpochRecord) -> None:
        self._records.append(record)

    @overload
    def __getitem__(self, index: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> EpochRecord | History:
        return History(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[EpochRecord]:
        return iter(self._records)

    def __repr__(self) -> str:
        return f"History({self._records!r})"

    def values(self, metric: str) -> list[float]:
        """One metric over the epochs that recorded it."""
        return [record.metrics[metric] for record in self._records if metric in record.metrics]

    def to_frame(self) -> pandas.DataFrame:
        """One row an epoch, indexed by `epoch`; a column a metric."""
        import pandas

        rows = [{"epoch": record.epoch, **record.metrics} for record in self._records]
        return pandas.DataFrame(rows, columns=None if rows else ["epoch"]).set_index("epoch")

    def to_batch_frame(self) -> pandas.DataFrame:
        """One row a training batch, indexed by `epoch` and `batch` from 1, of the epochs that kept theirs."""
        import pandas

        kept = [record for record in self._records if record.batches]
        frames = [pandas.DataFrame(dict(record.batches)).rename(index=lambda number: number + 1) for record in kept]
        keys = [record.epoch for record in kept]
        if not frames:
            return pandas.DataFrame(index=pandas.MultiIndex.from_arrays([[], []], names=["epoch", "batch"]))
        return pandas.concat(frames, keys=keys, names=["epoch", "batch"])

    def to_json(self) -> str:
        """A JSON list of `{"epoch": ..., "metrics": {...}}`, with `"batches"` where an epoch kept them."""
        return json.dumps([_to_plain(record) for record in self._records])

    @classmethod
    def from_json(cls, text: str) -> History:
        return cls(EpochRecord(item["epoch"], item["metrics"], item.get("batches", {})) for item in json.loads(text))


def _to_plain(record: EpochRecord) -> dict[str, Any]:
    batches = {"batches": {name: list(values) for name, values in record.batches.items()}} if record.batches else {}
    return {"epoch": record.epoch, "metrics": dict(record.metrics), **batches}
