"""Preparation: what is done to an example once, before the first trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import torch

from gradfleet.errors import DataError, unknown_name


class Preparation(Protocol):
    """Turns raw examples into tensors of one shape; its settings are values, so it can be written down and repeated."""

    @property
    def key(self) -> str:
        """Of its settings: equal keys prepare equally."""
        ...

    def fit(self, examples: Sequence[Any]) -> Self:
        """The same preparation with every open setting chosen from the training examples, and from them alone."""
        ...

    def apply(self, example: Any) -> torch.Tensor:
        """One raw example as a tensor, the same at prediction as in training. Called from several threads.

        Raises:
            DataError: it cannot be read; the message names it.
        """
        ...

    def to_json(self) -> dict[str, Any]:
        """Its settings as plain JSON values, with its name under "preparation"."""
        ...


def preparation_from_json(settings: Mapping[str, Any]) -> Preparation:
    """The fitted preparation that `facts.preparation` describes.

    Raises:
        DataError: it was written by a preparation that this version does not have.
    """
    from gradfleet.data.language import TextPreparation
    from gradfleet.data.tabular import TablePreparation
    from gradfleet.data.vision import ImagePreparation

    known: dict[str, Any] = {kind.name: kind for kind in (ImagePreparation, TablePreparation, TextPreparation)}
    if settings.get("preparation") not in known:
        raise DataError(unknown_name("preparation", settings.get("preparation"), known))
    made: Preparation = known[settings["preparation"]].from_json(settings)
    return made
