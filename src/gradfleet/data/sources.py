"""The one choice between the kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from gradfleet.data.arrays import ArraySource
from gradfleet.data.class_folders import FolderSource
from gradfleet.data.found_tables import as_tables
from gradfleet.data.places import located
from gradfleet.data.source import Settings, Source
from gradfleet.data.table_source import TableSource
from gradfleet.data.tables import are_texts
from gradfleet.data.torch_objects import ObjectSource
from gradfleet.errors import DataError


def open_source(given: Any, parts: Mapping[str, Any], settings: Settings) -> Source:
    """The source that fits what was given.

    Args:
        parts: "validation" and "test", where they were given.

    Raises:
        DataError: nothing can be learned from it; every reason is listed.
    """
    train = located(given, settings.scratch)
    if (tables := as_tables(train)) is not None:
        if twice := sorted(tables.keys() & parts.keys()):
            raise DataError(f"The source has its own {twice[0]} part, so leave out {twice[0]}=.")
        return TableSource(tables.pop("train"), {**tables, **parts}, settings)
    if isinstance(train, Path):
        return FolderSource(train, {part: located(one, settings.scratch) for part, one in parts.items()}, settings)
    arrays = ArraySource.pair(train)
    if arrays is not None and are_texts(arrays[0]):
        return TableSource(
            _table(arrays), {part: _table(ArraySource.pair(one)) for part, one in parts.items()}, settings
        )
    # A TensorDataset beside a DataLoader stays what it is; alone it is two arrays.
    if arrays is None or (isinstance(train, Dataset) and not all(map(ArraySource.pair, parts.values()))):
        return ObjectSource(train, parts, settings)
    return ArraySource(arrays, parts, settings)


def _table(pair: Any) -> Any:
    """Texts and their targets as columns."""
    if pair is None or len(pair[0]) != len(pair[1]):
        raise DataError("Texts need a pair (texts, targets) with a target for each text, in every part.")
    return {"text": [one if isinstance(one, str) else None for one in pair[0]], "label": pair[1]}
