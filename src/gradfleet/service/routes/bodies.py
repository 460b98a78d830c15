"""JSON bodies, read once it is known who sends them: FastAPI reads those of its own parameters before it asks."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from gradfleet.service.problems import RefusedError, invalid

JSON = "application/json"

M = TypeVar("M", bound=BaseModel)


def media_type(request: Request) -> str:
    """Of the body, without parameters; JSON where nothing is said."""
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()


def json_body(model: type[M]) -> Any:
    """A dependency that reads the body as this, after those that stand before it."""

    async def read(request: Request) -> M:
        if (kind := media_type(request)) != JSON:
            raise RefusedError(415, f"The body comes as {JSON}, got {kind[:100]!r}.")
        return read_json(model, await request.body())

    return Depends(read)


def read_json(model: type[M], body: bytes) -> M:
    """A body as this.

    Raises:
        RequestValidationError: it is no JSON, or not of this form.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid("body", error) from error


def described(model: type[BaseModel]) -> dict[str, Any]:
    """What a route's OpenAPI says of a body that it reads as this."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}
