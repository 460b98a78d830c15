"""Parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from gradfleet.study.storage.store import SAFE_NAME

_NAME = f"^{SAFE_NAME.pattern}$"

Name = Annotated[str, Path(description="Of the sweep.", max_length=100, pattern=_NAME)]
ModelName = Annotated[str, Path(description="Of the model.", max_length=100, pattern=_NAME)]
Number = Annotated[int, Path(description="Of the trial.", ge=0, le=2**31 - 1)]
Most = Annotated[int, Query(description="So many characters of its end.", ge=1, le=1_000_000)]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=500)]
Offset = Annotated[int, Query(description="How many to leave out before.", ge=0, le=2**31 - 1)]
