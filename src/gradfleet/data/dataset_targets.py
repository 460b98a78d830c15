"""The targets of a torch Dataset: taken from where it keeps them, else by reading every example once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from gradfleet.data.fingerprint import undisturbed_random
from gradfleet.data.targets import as_array
from gradfleet.errors import DataError

Array = npt.NDArray[Any]


def read_all_targets(dataset: Dataset[Any]) -> tuple[Array, int]:
    """The target of every example, and how many examples had to be read for it.

    Raises:
        DataError: an example is no pair (inputs, target), or the targets have different shapes.
    """
    with undisturbed_random():
        kept = _kept(dataset)
        if kept is not None and np.array_equal(kept[0], as_array(_pair(first_example(dataset))[1], "targets")):
            return kept, 0
        targets = [as_array(_pair(example)[1], "targets") for example in _each(dataset)]
    if len({one.shape for one in targets}) != 1:
        raise DataError(f"Targets need the same shape in every example, got {sorted({one.shape for one in targets})}.")
    return np.stack(targets), len(targets)


def first_example(dataset: Dataset[Any]) -> Any:
    """The first example, read without disturbing the random state."""
    with undisturbed_random():
        return next(_each(dataset), None)


def known_classes(dataset: Dataset[Any]) -> tuple[str, ...] | None:
    """The names under `classes`, as torchvision's datasets have them."""
    if isinstance(dataset, Subset):
        return known_classes(dataset.dataset)
    names = getattr(dataset, "classes", None)
    named = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return tuple(names) if named and names else None


def _kept(dataset: Dataset[Any]) -> Array | None:
    """Targets that the dataset holds as one array; a `target_transform` may still change them."""
    if isinstance(dataset, TensorDataset):
        return as_array(dataset.tensors[-1], "targets")
    if isinstance(dataset, Subset):
        whole = _kept(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices, np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [_kept(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if len(known) == len(parts) else None
    for name in ("targets", "labels"):
        values = getattr(dataset, name, None)
        if values is not None and hasattr(values, "__len__") and len(values) == len(dataset):  # type: ignore[arg-type]
            return as_array(values, "targets")
    return None


def _each(dataset: Any) -> Iterator[Any]:
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        yield from (dataset[row] for row in range(len(dataset)))
    else:
        yield from dataset


def _pair(example: Any) -> tuple[Any, Any]:
    if isinstance(example, list | tuple) and len(example) == 2:
        return example[0], example[1]
    raise DataError(f"Each example of a Dataset needs to be a pair (inputs, target), got {type(example).__name__}.")
