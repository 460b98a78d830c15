"""How an error of a service is raised again where the service was asked."""

from __future__ import annotations

import json

from gradfleet import errors
from gradfleet.errors import (
    AccessError,
    ClusterError,
    ConflictError,
    GradfleetError,
    NotFoundError,
    SettingError,
)

UNKNOWN = "about:blank"
"""The type of a problem document that says no more than its HTTP status."""

_TYPE = "urn:gradfleet:"
_KINDS: dict[str, type[GradfleetError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, GradfleetError) and kind is not GradfleetError
}
_BY_STATUS: dict[int, type[GradfleetError]] = {
    400: SettingError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    413: SettingError,
    415: SettingError,
    422: SettingError,
}


def type_of(error: Exception) -> str:
    """The `type` of an error's problem document: the class that its client raises again."""
    known = (kind.__name__ for kind in type(error).__mro__ if _KINDS.get(kind.__name__) is kind)
    name = next(known, None)
    return UNKNOWN if name is None else f"{_TYPE}{name}"


def error_of(status: int, body: bytes, url: str) -> GradfleetError:
    """What the problem document of an answer would have raised here.

    Args:
        url: of the service, for what answers there and is none.
    """
    try:
        problem = json.loads(body)
        detail, several = str(problem["detail"]), [*map(str, problem.get("problems", []))]
        kind = _KINDS.get(str(problem.get("type", UNKNOWN)).removeprefix(_TYPE)) or _BY_STATUS.get(status, ClusterError)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ClusterError(f"What answers at {url} is no service of gradfleet (HTTP {status}).")
    return kind(several or detail) if issubclass(kind, SettingError) else kind(detail)
