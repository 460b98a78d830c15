"""The one choice between the kinds of data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset

from gradfleet.data.arrays import ArraySource
from gradfleet.data.class_folders import FolderSource
from gradfleet.data.source import Settings, Source
from gradfleet.data.torch_objects import ObjectSource


def open_source(train: Any, parts: Mapping[str, Any], settings: Settings) -> Source:
    """The source that fits what was given.

    Args:
        parts: "validation" and "test", where they were given.

    Raises:
        DataError: nothing can be learned from it; every reason is listed.
    """
    if isinstance(train, str | os.PathLike):
        return FolderSource(train, parts, settings)
    arrays = ArraySource.pair(train)
    # A TensorDataset beside a DataLoader stays what it is; alone it is two arrays.
    if arrays is None or (isinstance(train, Dataset) and not all(map(ArraySource.pair, parts.values()))):
        return ObjectSource(train, parts, settings)
    return ArraySource(arrays, parts, settings)
