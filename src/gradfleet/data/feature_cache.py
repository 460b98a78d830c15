"""What is computed from prepared data once a sweep: vectors of a pretrained network, for every trial that asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from gradfleet.data.cache import prepare_once
from gradfleet.data.fingerprint import of_json
from gradfleet.data.prepared import DataRef

_FILE = "features.npy"


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """Arrays beside a prepared folder, each computed by the first who asks; other processes wait for it.

    Attributes:
        folder: where the prepared folder and others like it lie.
        data: the name of the prepared folder, which says what is in it.
    """

    folder: Path
    data: str

    @classmethod
    def of(cls, data: DataRef) -> Self:
        place = Path(data.place)
        return cls(place.parent, place.name)

    def array(self, key: Any, compute: Callable[[], npt.NDArray[Any]]) -> torch.Tensor:
        """What `compute` gives, mapped into memory.

        Args:
            key: JSON that tells apart what is computed from the same data.
        """

        place = self.files(key, lambda folder: np.save(folder / _FILE, compute()))
        # Copy-on-write: torch would write through a read-only map and die of it.
        return torch.from_numpy(np.load(place / _FILE, mmap_mode="c"))

    def files(self, key: Any, write: Callable[[Path], object]) -> Path:
        """A folder with the files that `write` puts there; nothing that a killed process left is taken for it.

        Args:
            key: as of `array`; the two share their keys.
        """

        def fill(folder: Path) -> dict[str, Any]:
            write(folder)
            return {"features": key}

        return prepare_once(self.folder, f"features-{of_json([self.data, key])}", fill)
