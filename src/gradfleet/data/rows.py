"""Rows on disk: gathered without a second copy in memory, and what is measured on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradfleet.data.prepared import INPUTS, TARGETS, DataFacts

Array = npt.NDArray[Any]
_CHUNK_BYTES = 2 * 2**20  # of bytes; as float64, which statistics are computed in, eight times that


def save_rows(folder: Path, inputs: Array, targets: Array, order: npt.NDArray[np.int64]) -> None:
    """Write the rows in `order` (the parts one after the other) as the two files of a prepared folder."""
    for name, rows in ((INPUTS, inputs), (TARGETS, targets)):
        kept = np.lib.format.open_memmap(folder / name, "w+", rows.dtype, (len(order), *rows.shape[1:]))
        for part in _chunks(len(order), rows):
            kept[part] = rows[order[part]]
        kept.flush()


def keep_rows(path: Path, kept: npt.NDArray[np.bool_]) -> None:
    """Leave only these rows in an array file."""
    whole, left = np.load(path, mmap_mode="r"), path.with_suffix(".kept")
    rows = np.flatnonzero(kept)
    with left.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(whole.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (len(rows), *whole.shape[1:])})
        for part in _chunks(len(rows), whole):
            file.write(np.ascontiguousarray(whole[rows[part]]).tobytes())
    left.replace(path)


def slim(inputs: Array) -> Array:
    """Numbers in the type that training reads: uint8 as it is, other integers as int64, everything else as float32."""
    if inputs.dtype == np.uint8 or inputs.dtype == np.float32:
        return inputs
    return inputs.astype(np.int64 if inputs.dtype.kind in "iu" else np.float32)


def statistics(inputs: Array, targets: Array, facts: DataFacts) -> dict[str, list[float]]:
    """What presets need to know of the training rows; see `DataFacts.statistics`."""
    found: dict[str, list[float]] = {}
    if inputs.dtype.kind == "f" or inputs.dtype == np.uint8:  # other integers are tokens
        mean, std = _moments(inputs)
        found |= {"mean": mean.tolist(), "std": std.tolist()}
    if facts.kind == "multiclass":
        found["class_counts"] = np.bincount(targets, minlength=facts.num_outputs).tolist()
    return found


def _moments(inputs: Array) -> tuple[Array, Array]:
    """Mean and std a channel: axis 1 of (rows, features) and of (rows, channels, height, width), else of everything.

    Chunks are merged by Chan's formula, which keeps its digits where a plain sum of squares would not.
    """
    axes = tuple(axis for axis in range(inputs.ndim) if axis != 1 or inputs.ndim not in (2, 4))
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for part in _chunks(len(inputs), inputs):
        chunk = inputs[part].astype(np.float64)
        own_mean = np.atleast_1d(chunk.mean(axes))
        size = chunk.size // own_mean.size
        shift, total = own_mean - mean, count + size
        squares = squares + chunk.var(axes) * size + shift**2 * (count * size / total)
        mean = mean + shift * (size / total)
        count = total
    std = np.sqrt(squares / max(count, 1))
    return mean, np.where(std > 0, std, 1.0)


def _chunks(num_rows: int, rows: Array) -> Iterator[slice]:
    size = max(_CHUNK_BYTES // max(rows[:1].nbytes, 1), 1)
    return (slice(start, start + size) for start in range(0, num_rows, size))
