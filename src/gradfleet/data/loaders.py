"""Batches of whatever a model is given: tensors in memory, a torch Dataset, or the user's own DataLoader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate
from torch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from gradfleet.data.examples import ArrayExamples, Inputs, NamedInputs, as_inputs
from gradfleet.data.language import TextInputs, TextTargets
from gradfleet.errors import DataError, SettingError

Batch = Any
Source = Any

_CHUNK_BYTES = 32 * 2**20  # rows are gathered this much at a time: enough to be fast, never a copy of everything
_CHUNK_BATCHES = 64
_HELD = (ArrayExamples, Mapping, NamedInputs, TextInputs, list, np.ndarray, str, torch.Tensor, tuple)
_FIXED_AT_START = (RandomSampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler)


class Batches(ABC):
    """The batches of one source, epoch after epoch, on the device where the network is."""

    @abstractmethod
    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`; the same number gives the same order of rows."""

    @property
    @abstractmethod
    def num_batches(self) -> int | None:
        """How many batches an epoch has; None when only iterating tells."""

    def targets(self) -> torch.Tensor | None:
        """All targets when they lie in memory, else None."""
        return None

    def state(self) -> dict[str, torch.Tensor]:
        """What the next epoch's order depends on beside the seed."""
        return {}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:  # noqa: B027  # most have no state
        """Go on from what `state` returned."""


@dataclass(frozen=True, slots=True)
class Split:
    """What to train on and what to validate on, and the facts about them when the data knows any."""

    train: Source
    validation: Source | None = None
    test: Source | None = None
    facts: Any = None


def split_of(data: Source, validation: Source | None = None) -> Split:
    """The parts of `data`: its own when it is prepared data or can be opened as such, else `data` is the training part.

    Raises:
        SettingError: the data brings its own validation part and another was given.
    """
    opened = data.open() if hasattr(data, "open") and not hasattr(data, "train") else data
    if not hasattr(opened, "train"):
        return Split(data, validation)
    own = getattr(opened, "validation", None)
    if own is not None and validation is not None:
        raise SettingError("This data has a validation part of its own; do not pass another as validation=.")
    parts = own if validation is None else validation
    return Split(opened.train, parts, getattr(opened, "test", None), getattr(opened, "facts", None))


def make_batches(
    source: Source, *, batch_size: int, shuffle: bool, seed: int, device: torch.device | str = "cpu"
) -> Batches:
    """Batches of a DataLoader (with its own batch size and order), Dataset, ArrayExamples, (x, y), or inputs alone.

    Whatever else has a length and gives rows by their numbers is a Dataset too, such as one of Hugging Face; what can
    be gone through again and again is taken to give batches.

    Every batch is fresh memory: it may be changed in place. With `shuffle`, a last batch of a single row joins the one
    before it, because batch normalisation cannot train on one row.

    Raises:
        SettingError: the batch size is not at least 1.
        DataError: the source is none of these, or has no rows.
    """
    if batch_size < 1:
        raise SettingError(f"A batch size of at least 1 is needed, got {batch_size}.")
    device = torch.device(device)
    if isinstance(source, DataLoader):
        return _TensorLoaderBatches(source, device) if _is_plain(source, device) else _LoaderBatches(source, device)
    if isinstance(source, Dataset) or hasattr(source, "with_format"):
        return _dataset_batches(source, batch_size, device, shuffle=shuffle)
    if hasattr(source, "__iter__") and not isinstance(source, _HELD) and not _is_frame(source):
        return _iterated_batches(source, batch_size, device, shuffle=shuffle)
    columns = _columns(source)
    kind = _ArrayBatches if all(isinstance(column, torch.Tensor) for column in columns) else _NamedBatches
    weights = source.weights if isinstance(source, ArrayExamples) else None
    return kind(columns, batch_size, device, shuffle=shuffle, seed=seed, weights=weights)


def move(batch: Batch, device: torch.device) -> Batch:
    """The batch with every tensor in it on `device`."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(move(part, device) for part in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(move(part, device) for part in batch)
    if isinstance(batch, dict):
        return {key: move(part, device) for key, part in batch.items()}
    return batch.to(device) if hasattr(batch, "to") else batch


def _columns(source: Source) -> tuple[Any, ...]:
    if isinstance(source, ArrayExamples):
        columns: tuple[Any, ...] = (source.inputs, source.targets)
    elif isinstance(source, tuple) and len(source) == 2:
        examples = ArrayExamples.of(*source)
        columns = (examples.inputs, examples.targets)
    elif isinstance(source, torch.Tensor | np.ndarray | NamedInputs | TextInputs | Mapping) or _is_frame(source):
        columns = (as_inputs(source),)
    elif isinstance(source, list):
        columns = (_listed(source),)
    else:
        raise _unknown(source, "Paths and tables are for AutoDataset(...).")
    if not len(columns[0]):
        raise DataError("There are no rows to make batches of.")
    return columns


def _is_frame(source: Source) -> bool:
    return hasattr(source, "to_numpy") and hasattr(source, "columns")


def _listed(source: list[Any]) -> Inputs:
    try:
        return as_inputs(source)
    except (DataError, TypeError, ValueError, RuntimeError):
        raise _unknown(
            source,
            "Inputs and targets go into a tuple: (inputs, targets); a list of rows into a DataLoader.",
        ) from None


def _unknown(source: Source, hint: str) -> DataError:
    return DataError(
        "A DataLoader, a torch Dataset, ArrayExamples or a tuple (inputs, targets) is needed, "
        f"got {type(source).__name__}. {hint}"
    )


def _iterated_batches(source: Any, batch_size: int, device: torch.device, *, shuffle: bool) -> Batches:
    if isinstance(source, Iterator):
        raise _unknown(
            source,
            "It is over when it was gone through once, and training does so in every epoch: give an object whose "
            "__iter__ begins anew.",
        )
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return _dataset_batches(source, batch_size, device, shuffle=shuffle)
    return _IteratedBatches(source, device)


def _dataset_batches(source: Any, batch_size: int, device: torch.device, *, shuffle: bool) -> Batches:
    if hasattr(source, "with_format"):  # of Hugging Face, whose rows are lists unless they are asked to be tensors
        source = source.with_format("torch")
    if isinstance(source, IterableDataset):
        return _LoaderBatches(DataLoader(source, batch_size=batch_size), device)
    if not len(source):
        raise DataError("There are no rows to make batches of.")
    loader = DataLoader(source, batch_size=batch_size, shuffle=shuffle)
    return make_batches(loader, batch_size=batch_size, shuffle=shuffle, seed=0, device=device)


class _RowBatches(Batches):
    """Rows in memory, in the epoch's own order."""

    def __init__(
        self,
        columns: Sequence[Any],
        batch_size: int,
        device: torch.device,
        *,
        shuffle: bool,
        seed: int,
        weights: torch.Tensor | None = None,
    ) -> None:
        self._columns = columns
        self._rows = len(columns[0])
        self._shuffle = shuffle
        self._seed = seed
        self._weights = weights
        self._device = device
        self._sizes = self._batch_sizes(batch_size)

    def _batch_sizes(self, batch_size: int) -> list[int]:
        full, rest = divmod(self._rows, batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0)
        if self._shuffle and rest == 1 and full:
            sizes[-2:] = [batch_size + 1]
        return sizes

    @property
    def num_batches(self) -> int:
        return len(self._sizes)

    def _generator(self, number: int) -> torch.Generator:
        state = np.random.SeedSequence([self._seed, number]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0]) >> 1)

    def _order(self, generator: torch.Generator) -> torch.Tensor:
        if not self._shuffle:
            return torch.arange(self._rows)
        if self._weights is not None:
            return torch.multinomial(self._weights, self._rows, replacement=True, generator=generator)
        return torch.randperm(self._rows, generator=generator)


class _ArrayBatches(_RowBatches):
    """Tensors: gathered in the epoch's order a chunk at a time, then sliced."""

    def __init__(
        self,
        columns: Sequence[torch.Tensor],
        batch_size: int,
        device: torch.device,
        *,
        shuffle: bool,
        seed: int,
        weights: torch.Tensor | None = None,
    ) -> None:
        super().__init__(columns, batch_size, device, shuffle=shuffle, seed=seed, weights=weights)
        row_bytes = sum(tensor[:1].numel() * tensor.element_size() for tensor in columns)
        self._chunk = max(1, _CHUNK_BYTES // max(1, row_bytes * batch_size))

    def targets(self) -> torch.Tensor | None:
        return self._columns[1] if len(self._columns) == 2 else None

    def epoch(self, number: int) -> Iterator[Batch]:
        order = self._order(self._generator(number))
        start = 0
        for first in range(0, len(self._sizes), self._chunk):
            sizes = self._sizes[first : first + self._chunk]
            rows = order[start : start + sum(sizes)]
            start += len(rows)
            parts = (torch.split(tensor.index_select(0, rows).to(self._device), sizes) for tensor in self._columns)
            yield from zip(*parts, strict=True)


class _NamedBatches(_RowBatches):
    """Inputs that are dicts of tensors: texts, padded to the longest of their batch, or tensors by name."""

    def targets(self) -> torch.Tensor | None:
        own = self._columns[-1]
        return own if len(self._columns) == 2 and isinstance(own, torch.Tensor) else None

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = self._generator(number)
        batches = torch.split(self._order(generator), self._sizes)
        for rows in self._bucketed(batches, generator):
            yield move(self._batch(rows), self._device)

    def _bucketed(self, batches: Sequence[torch.Tensor], generator: torch.Generator) -> Iterator[torch.Tensor]:
        """The shuffled rows in batches of like length: sorted within a window of batches, which are then shuffled."""
        inputs = self._columns[0]
        if not (self._shuffle and isinstance(inputs, TextInputs) and inputs.bucketed):
            yield from batches
            return
        lengths = inputs.lengths
        for first in range(0, len(batches), _CHUNK_BATCHES):
            window = batches[first : first + _CHUNK_BATCHES]
            rows = torch.cat(list(window))
            rows = rows[lengths[rows].argsort(stable=True)]
            alike = torch.split(rows, [len(batch) for batch in window])
            yield from (alike[place] for place in torch.randperm(len(alike), generator=generator).tolist())

    def _batch(self, rows: torch.Tensor) -> Batch:
        inputs = self._columns[0].take(rows)
        if len(self._columns) == 1:
            return inputs
        own = self._columns[1]
        if not isinstance(own, TextTargets):
            return inputs, own.index_select(0, rows)
        targets = own.take(rows)
        return {**inputs, "decoder_input_ids": own.decoder_inputs(targets)}, targets


class _LoaderBatches(Batches):
    """The user's own DataLoader, as it is."""

    def __init__(self, loader: DataLoader[Any], device: torch.device) -> None:
        self._loader = loader
        self._device = device
        self._generators = _generators(loader)

    @property
    def num_batches(self) -> int | None:
        try:
            return len(self._loader)
        except TypeError:
            return None

    def epoch(self, number: int) -> Iterator[Batch]:
        _tell_epoch(self._loader, number)
        if self._loader.persistent_workers and getattr(self._loader, "_iterator", None) is not None:
            # Workers that stay skip this draw from the second epoch on, so the order would depend on their number.
            _draw_base_seed(self._loader)
        if self._device.type == "cpu":
            return iter(self._loader)
        return (move(batch, self._device) for batch in self._loader)

    def state(self) -> dict[str, torch.Tensor]:
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        for name, generator in self._generators.items():
            if name in state:
                generator.set_state(state[name])


class _IteratedBatches(Batches):
    """Whatever gives batches, each time that it is gone through."""

    def __init__(self, source: Iterable[Any], device: torch.device) -> None:
        self._source = source
        self._device = device

    @property
    def num_batches(self) -> int | None:
        return len(self._source) if isinstance(self._source, Sized) else None

    def epoch(self, number: int) -> Iterator[Batch]:
        return (move(batch, self._device) for batch in self._source)


class _TensorLoaderBatches(_LoaderBatches):
    """A DataLoader over a TensorDataset that only stacks rows: the same batches, taken with one index each tensor."""

    def epoch(self, number: int) -> Iterator[Batch]:
        _tell_epoch(self._loader, number)
        _draw_base_seed(self._loader)  # as the DataLoader does, so that the sampler's order is the DataLoader's
        tensors = self._loader.dataset.tensors  # type: ignore[attr-defined]
        sampler = self._loader.batch_sampler
        assert sampler is not None
        # A sampler that may change its mind during the epoch is asked for one batch at a time.
        ahead = _CHUNK_BATCHES if _is_fixed_at_start(sampler) else 1
        indices = iter(sampler)
        while chunk := [list(batch) for batch in islice(indices, ahead)]:
            rows = torch.tensor([row for batch in chunk for row in batch])
            sizes = [len(batch) for batch in chunk]
            parts = (torch.split(tensor.index_select(0, rows).to(self._device), sizes) for tensor in tensors)
            yield from map(list, zip(*parts, strict=True))

    def targets(self) -> torch.Tensor | None:
        tensors = self._loader.dataset.tensors  # type: ignore[attr-defined]
        return tensors[-1] if len(tensors) > 1 else None


def _is_plain(loader: DataLoader[Any], device: torch.device) -> bool:
    return (
        type(loader) is DataLoader
        and type(loader.dataset) is TensorDataset
        and loader.collate_fn is default_collate
        and loader.batch_sampler is not None
        and loader.worker_init_fn is None
        and not (loader.pin_memory and device.type == "cpu")
        and all(tensor.device.type == "cpu" for tensor in loader.dataset.tensors)
    )


def _is_fixed_at_start(sampler: Iterable[Any]) -> bool:
    return type(sampler) is BatchSampler and type(sampler.sampler) in _FIXED_AT_START


def _draw_base_seed(loader: DataLoader[Any]) -> None:
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)


def _tell_epoch(loader: DataLoader[Any], number: int) -> None:
    for sampler in (loader.sampler, loader.batch_sampler):
        set_epoch = getattr(sampler, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(number)


def _generators(loader: DataLoader[Any]) -> dict[str, torch.Generator]:
    owners = {"loader": loader, "sampler": loader.sampler}
    found = {name: getattr(owner, "generator", None) for name, owner in owners.items()}
    return {name: generator for name, generator in found.items() if isinstance(generator, torch.Generator)}
