"""Parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

Name = Annotated[str, Path(description="Of the sweep.", max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
ModelName = Annotated[str, Path(description="Of the model.", max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Number = Annotated[int, Path(description="Of the trial.", ge=0, le=2**31 - 1)]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=500)]
Offset = Annotated[int, Query(description="How many to leave out before.", ge=0, le=2**31 - 1)]
