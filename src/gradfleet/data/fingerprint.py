"""What data is, as 32 hexadecimal digits: the same content gives the same digits wherever it lies."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas
import torch
from torch.utils.data import DataLoader, Dataset

_SIZE = 16
_SAMPLE = 64


def of_json(value: Any) -> str:
    """Digits of a plain JSON value."""
    return of_bytes(json.dumps(value, sort_keys=True).encode())


def of_bytes(value: bytes | memoryview) -> str:
    """Digits of bytes."""
    return hashlib.blake2b(value, digest_size=_SIZE).hexdigest()


def of_files(paths: Sequence[Path]) -> list[str]:
    """Digits of each file's bytes, read by several threads; those that cannot be read are all alike.

    That they cannot is said, by name, where they are decoded.
    """
    return of_items(paths)


def of_items(items: Sequence[Any]) -> list[str]:
    """Digits of each item: of a file its bytes, of anything else what it shows of itself."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_of_item, items))


def of_array(values: npt.NDArray[Any]) -> str:
    """Digits of an array's type, shape and bytes."""
    digest = hashlib.blake2b(f"{values.dtype.str} {values.shape}".encode(), digest_size=_SIZE)
    digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data if values.size else b"")
    return digest.hexdigest()


def of_column(values: pandas.Series) -> str:
    """Digits of a table's column: the same for the same cells, whatever the file or the type that held them."""
    if values.dtype.kind in "biuf":
        return of_array(values.to_numpy(dtype=np.float64))
    digest = hashlib.blake2b(digest_size=_SIZE)
    for cell in values:
        text = cell if isinstance(cell, str) else repr(_of_value(cell))
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)} ".encode() + encoded)
    return digest.hexdigest()


def of_dataset(data: Dataset[Any] | DataLoader[Any]) -> str:
    """Digits of what a Dataset or DataLoader shows of itself, because its whole content may be costly or endless.

    That is: its type, its length, a loader's batch size and up to 64 examples spread evenly over it (the first 64
    where it can only be iterated). A change elsewhere is not seen. The random state is put back afterwards.
    """
    dataset = data.dataset if isinstance(data, DataLoader) else data
    length = len(dataset) if hasattr(dataset, "__len__") else -1
    batch_size = data.batch_size if isinstance(data, DataLoader) else None
    with undisturbed_random():
        content = [_of_value(example) for example in _sample(dataset, length)]
    return of_json([type(dataset).__qualname__, length, batch_size, content])


@contextmanager
def undisturbed_random() -> Iterator[None]:
    """Seed every generator that examples may be drawn with, then put their states back."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_SIZE)).hexdigest()
    except OSError:
        return of_json(None)


def _of_item(item: Any) -> str:
    return _of_file(item) if isinstance(item, Path) else of_json(_of_value(item))


def _sample(dataset: Dataset[Any], length: int) -> Iterable[Any]:
    if length >= 0 and hasattr(dataset, "__getitem__"):
        rows = np.unique(np.linspace(0, max(length - 1, 0), min(length, _SAMPLE)).astype(int))
        return (dataset[int(row)] for row in rows)
    return islice(iter(cast("Iterable[Any]", dataset)), _SAMPLE)


def _of_value(value: Any) -> Any:
    """JSON that stands for a value; of an object that is none of these, its type."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, np.ndarray):
        return of_array(value) if value.dtype.kind != "O" else _of_value(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _of_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_of_value(one) for one in value]
    if value is None or isinstance(value, str | int | float | bytes | np.generic):
        return repr(value)
    if hasattr(value, "tobytes"):  # a Pillow image
        return [type(value).__qualname__, of_bytes(value.tobytes())]
    return type(value).__qualname__
