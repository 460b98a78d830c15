"""Whether data is what a preset learns from, and labels as classes: said before anything is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradfleet import AutoDataset
from gradfleet.errors import DataError

_CALLED = {
    "images": "images",
    "texts": "texts",
    "columns": "columns of numbers or categories",
    "arrays": "arrays of numbers",
    "objects": "examples of a torch Dataset",
}


def with_classes(read: Callable[..., AutoDataset], data: Any, told: Mapping[str, Any]) -> AutoDataset:
    """What `read` makes of the data; labels that are written as whole floats, 1.0 and 2.0, are classes.

    Raises:
        DataError: they are amounts, such as 0.5.
    """
    found = read(data, told)
    return found if found.kind not in ("regression", "binary") else read(data, {**told, "kind": "multiclass"})


def require_classes(data: AutoDataset) -> None:
    """
    Raises:
        DataError: the targets are amounts, or texts.
    """
    if data.kind not in ("multiclass", "multilabel", "binary"):
        raise DataError(
            f"Classes are learned here, and the targets of this AutoDataset are for {data.kind}. Make it with "
            "kind='multiclass'."
        )


def require_texts(data: AutoDataset) -> None:
    """
    Raises:
        DataError: the inputs are something else.
    """
    if data.form != "texts":
        raise DataError(
            f"Texts are needed, a column of strings or class folders of .txt files; got {_CALLED[data.form]}."
        )


def require_images(data: AutoDataset) -> None:
    """
    Raises:
        DataError: the inputs are something else.
    """
    if data.form == "images" or (data.form != "texts" and len(data.open().facts.input_shape) == 3):
        return
    raise DataError(
        "Images are needed: a folder of class folders, a table of files, or arrays of shape (rows, channels, height, "
        f"width); got {_CALLED[data.form]}."
    )
