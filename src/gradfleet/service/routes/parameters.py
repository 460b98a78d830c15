"""Parameters that several routes share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Path, Query

from gradfleet.service.documents import SafeName

Name = Annotated[SafeName, Path(description="Of the sweep.")]
ModelName = Annotated[SafeName, Path(description="Of the model.")]
TokenName = Annotated[SafeName, Path(description="The name of a valid token.")]
Number = Annotated[int, Path(description="Of the trial.", ge=0, le=2**31 - 1)]
Most = Annotated[int, Query(description="So many characters of its end.", ge=1, le=1_000_000)]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=500)]
Offset = Annotated[int, Query(description="How many to leave out before.", ge=0, le=2**31 - 1)]


def one_of(orders: Iterable[str]) -> dict[str, Any]:
    """What a schema says of `sort`; what else is asked for is refused in words of our own, and not by the schema."""
    return {"enum": [sign + one for one in orders for sign in ("", "-")]}
