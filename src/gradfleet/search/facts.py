"""What a network's builder may ask of the data."""

from __future__ import annotations

from typing import Protocol


class Facts(Protocol):
    """The facts of prepared data that are handed to the builders whose signature names them."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, without the row axis."""
        ...

    @property
    def num_outputs(self) -> int: ...

    @property
    def kind(self) -> str:
        """The kind of problem, such as `multiclass`."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Of texts, as the next two: how many tokens there are."""
        ...

    @property
    def max_length(self) -> int:
        """Tokens of the longest text."""
        ...

    @property
    def padding_token(self) -> int:
        """The token that fills up shorter texts."""
        ...


FACTS = ("input_shape", "num_outputs", "kind")
TEXT_FACTS = ("vocabulary_size", "max_length", "padding_token")
