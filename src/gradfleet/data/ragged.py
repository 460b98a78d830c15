"""Rows of different lengths, one after the other in one array: what texts are kept as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

_BUFFERED = 2**22  # bytes that are held before they are written


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of numbers of different lengths, in memory or memory-mapped.

    Attributes:
        values: those of all rows, one after the other.
        offsets: int64, where each row begins in `values`; one more than rows, the last is where the last row ends.

    Example:
        >>> rows = Ragged.of([[5, 6], [7]])
        >>> rows.padded(torch.tensor([1, 0]), padding=0)[0].tolist()
        [[7, 0], [5, 6]]
    """

    values: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        values = np.fromiter((value for row in rows for value in row), np.int32, int(offsets[-1]))
        return cls(torch.from_numpy(values), torch.from_numpy(offsets.astype(np.int64)))

    @classmethod
    def open(cls, folder: Path, name: str) -> Ragged:
        """What `RaggedWriter` wrote, mapped copy-on-write: torch would write through a read-only map and die of it."""
        files = (folder / f"{name}.values.npy", folder / f"{name}.offsets.npy")
        values, offsets = (np.load(file, mmap_mode="c" if file.stat().st_size > 256 else None) for file in files)
        return cls(torch.from_numpy(np.asarray(values)), torch.from_numpy(np.asarray(offsets)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> torch.Tensor:
        return self.offsets[1:] - self.offsets[:-1]

    def row(self, number: int) -> torch.Tensor:
        return self.values[int(self.offsets[number]) : int(self.offsets[number + 1])]

    def part(self, start: int, end: int) -> Ragged:
        """The rows from `start` to before `end`, over the same values."""
        return Ragged(self.values, self.offsets[start : end + 1])

    def padded(self, rows: torch.Tensor, *, padding: int) -> tuple[torch.Tensor, torch.Tensor]:
        """These rows as int64 (rows, the longest of them), and where they are not padding, as booleans."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        longest = max(int(lengths.max()), 1) if len(rows) else 1
        there = torch.arange(longest) < lengths[:, None]
        places = torch.where(there, starts[:, None] + torch.arange(longest), 0)
        if not len(self.values):
            return torch.full(places.shape, padding, dtype=torch.int64), there
        return torch.where(there, self.values[places].long(), padding), there


class RaggedWriter:
    """Writes rows one by one; only a few megabytes are held at a time."""

    def __init__(self, folder: Path, name: str, dtype: npt.DTypeLike) -> None:
        self._values, self._offsets_path = folder / f"{name}.values.npy", folder / f"{name}.offsets.npy"
        self._dtype = np.dtype(dtype)
        self._lengths: list[int] = []
        self._waiting: list[npt.NDArray[Any]] = []
        self._waiting_bytes = 0
        self._file = self._values.open("wb")
        self._write_header(0)

    def add(self, row: npt.NDArray[Any]) -> None:
        self._lengths.append(len(row))
        self._waiting.append(row)
        self._waiting_bytes += row.nbytes
        if self._waiting_bytes > _BUFFERED:
            self._flush()

    def close(self) -> None:
        """Nothing is whole before this."""
        self._flush()
        offsets = np.concatenate([[0], np.cumsum(self._lengths, dtype=np.int64)]).astype(np.int64)
        self._file.seek(0)
        self._write_header(int(offsets[-1]))
        self._file.close()
        np.save(self._offsets_path, offsets)

    def _flush(self) -> None:
        for row in self._waiting:
            self._file.write(np.ascontiguousarray(row, self._dtype).tobytes())
        self._waiting, self._waiting_bytes = [], 0

    def _write_header(self, length: int) -> None:
        # numpy pads every header of this kind to one size, so that the length can be set when it is known.
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True, slots=True)
class Strings(Sequence[str]):
    """Texts as UTF-8 in a Ragged of bytes; each is decoded when it is asked for."""

    rows: Ragged

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        encoded = [text.encode() for text in texts]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in encoded], dtype=np.int64)]).astype(np.int64)
        values = np.frombuffer(bytearray(b"".join(encoded)), np.uint8)
        return cls(Ragged(torch.from_numpy(values), torch.from_numpy(offsets)))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} texts, no number {index}.")
        return self.rows.row(index % len(self)).numpy().tobytes().decode()
