"""Hugging Face datasets, in memory or saved, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from gradfleet.errors import DataError

_ONE, _SEVERAL = ("state.json", "dataset_info.json"), "dataset_dict.json"


@dataclass(frozen=True, slots=True)
class SavedTable:
    """A part of what `save_to_disk` wrote into a folder, memory-mapped and read when it is asked for."""

    folder: Path
    dataset: Any

    def read(self) -> pandas.DataFrame:
        return _frame(self.dataset)


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (folder / _SEVERAL).exists() or all((folder / name).exists() for name in _ONE)


def is_dataset(given: Any) -> bool:
    """Whether this is a Dataset or DatasetDict of the package `datasets`, which is not imported for it."""
    return type(given).__module__.split(".")[0] == "datasets"


def saved_tables(folder: Path) -> dict[str, SavedTable]:
    """The table of each part; a single one is called "train".

    Raises:
        DataError: the folder is damaged.
    """
    import datasets

    try:
        saved = datasets.load_from_disk(str(folder))
    except Exception as problem:  # pyarrow's errors, and the package's own
        raise DataError(f"{folder} cannot be read as a saved dataset: {problem}") from problem
    return {part: SavedTable(folder, dataset) for part, dataset in _parts(saved).items()}


def frames(given: Any) -> dict[str, pandas.DataFrame]:
    """The table of each part; a Dataset is the one called "train".

    Classes get their names, and images stay encoded.
    """
    return {part: _frame(dataset) for part, dataset in _parts(given).items()}


def _parts(given: Any) -> dict[str, Any]:
    return {str(part): one for part, one in given.items()} if isinstance(given, Mapping) else {"train": given}


def _frame(dataset: Any) -> pandas.DataFrame:
    import datasets

    if isinstance(dataset, datasets.IterableDataset):
        raise DataError("A streamed Hugging Face dataset has no length; pass one that is loaded or saved.")
    for name, feature in dataset.features.items():
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
    frame: pandas.DataFrame = dataset.with_format(None).to_pandas()
    for name, feature in dataset.features.items():
        if isinstance(feature, datasets.ClassLabel):
            names = dict(enumerate(feature.names))
            frame[name] = frame[name].map(names)  # -1, which stands for no label, becomes missing
    return frame
