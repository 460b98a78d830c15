"""Apply a preparation to many raw items: by several threads, each item once, in order."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gradfleet.data.preparation import Preparation
from gradfleet.data.problems import shortened
from gradfleet.errors import DataError

_BATCH = 32

Applied = torch.Tensor | DataError


def apply_each(preparation: Preparation, items: Sequence[Any]) -> Iterator[Applied]:
    """The tensor of each item, or the error that names it; at most a few hundred are held at a time."""
    num_threads = min(8, os.cpu_count() or 1)
    waiting: deque[Future[list[Applied]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(items), _BATCH):
            waiting.append(pool.submit(_apply_some, preparation, items[start : start + _BATCH]))
            if len(waiting) > 2 * num_threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def decode_to(path: Path, preparation: Preparation, items: Sequence[Any]) -> dict[int, str]:
    """Write the tensor of each item to one array file; what is wrong with each that cannot be read, by its row.

    Raises:
        DataError: none can be read, or one has another shape than the first.
    """
    decoded, problems = None, {}
    for row, applied in enumerate(apply_each(preparation, items)):
        if isinstance(applied, DataError):
            problems[row] = str(applied)
            continue
        pixels = applied.numpy()
        if decoded is None:
            decoded = np.lib.format.open_memmap(path, "w+", pixels.dtype, (len(items), *pixels.shape))
        decoded[row] = pixels
    if decoded is None:
        raise DataError(shortened(list(problems.values()), "items cannot be read"))
    decoded.flush()
    return problems


def decoded(preparation: Preparation, items: Sequence[Any]) -> torch.Tensor:
    """As `apply_all`, mapped from a file, so that there may be more items than memory has room for."""
    with tempfile.TemporaryDirectory(prefix="gradfleet-", ignore_cleanup_errors=True) as folder:
        place = Path(folder, "decoded.npy")
        if problems := decode_to(place, preparation, items):
            raise DataError(shortened(list(problems.values()), "items cannot be read"))
        # The file loses its name with its folder, and its bytes when nothing is mapped from it any more.
        return torch.from_numpy(np.load(place, mmap_mode="c"))


def apply_all(preparation: Preparation, items: Sequence[Any]) -> torch.Tensor:
    """Every item as one tensor (items, ...).

    Raises:
        DataError: items that cannot be read; up to ten are named, the rest counted.
    """
    if not len(items):
        raise DataError("At least one item is needed, got none.")
    applied = list(apply_each(preparation, items))
    problems = [str(one) for one in applied if isinstance(one, DataError)]
    if problems:
        raise DataError(shortened(problems, "items cannot be read"))
    return torch.stack([one for one in applied if isinstance(one, torch.Tensor)])


def _apply_some(preparation: Preparation, items: Sequence[Any]) -> list[Applied]:
    return [_apply_one(preparation, item) for item in items]


def _apply_one(preparation: Preparation, item: Any) -> Applied:
    try:
        return preparation.apply(item)
    except DataError as problem:
        return problem
