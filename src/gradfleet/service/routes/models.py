"""Routes of models and predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from gradfleet.errors import SettingError
from gradfleet.export.formats import FORMATS
from gradfleet.fleet.service_trial import SCORE
from gradfleet.service import models, predictions
from gradfleet.service.access import ADMIN, READ, RUN, Runner
from gradfleet.service.documents import Items, Model, Predictions, Promotion
from gradfleet.service.models import Packed
from gradfleet.service.problems import RefusedError, responses
from gradfleet.service.routes.bodies import JSON, described, json_body, media_type, read_json
from gradfleet.service.routes.parameters import ModelName, Name, Number
from gradfleet.service.service import Current, Service

router = APIRouter(tags=["models"], responses=responses(401, 403, 404, 422, 429, 503))

_ITEMS = {"schema": {"$ref": "#/components/schemas/Items"}}
_ONE = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {JSON: _ITEMS, "image/*": _ONE}}}
_ZIP_FILE = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
_SCORED = {"description": "What the model gave in a new process, as JSON.", "schema": {"type": "string"}}
_EXPORTED: dict[int | str, dict[str, Any]] = {200: {**_ZIP_FILE, "headers": {SCORE: _SCORED}}, **responses(409)}
_FORMATS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
_CHUNK = 2**20

Format = Annotated[str, Query(description=_FORMATS, max_length=20, json_schema_extra={"enum": [*FORMATS]})]
Check = Annotated[bool, Query(description="Run it in a new process, where it has to give its score.")]
MaxLoss = Annotated[float, Query(description="How much of the score onnx-int8 may lose.", ge=0, le=1e9)]
Proba = Annotated[bool, Query(description="Probabilities too, where the model classifies.")]


@router.get("/models", dependencies=[READ])
def list_models(service: Current) -> list[Model]:
    """The models that have a name."""
    return models.listed(service)


@router.post("/models", status_code=201, responses=responses(400, 409, 413, 415), openapi_extra=described(Promotion))
def promote(service: Current, token: Runner, wanted: Annotated[Promotion, json_body(Promotion)]) -> Model:
    """Give a trial a name: it is exported as a bundle, which has to give its recorded score again in a new process."""
    return models.promote(service, wanted, by=token.name)


@router.get("/models/{model}", dependencies=[READ])
def show_model(service: Current, model: ModelName) -> Model:
    """One model."""
    return models.get(service, model)


@router.delete("/models/{model}", dependencies=[ADMIN], status_code=204)
def forget_model(service: Current, model: ModelName) -> None:
    """Take a model's name away, and delete its bundle."""
    models.forget(service, model)


@router.get(
    "/models/{model}/download", dependencies=[READ], response_class=StreamingResponse, responses={200: _ZIP_FILE}
)
def download(service: Current, model: ModelName) -> StreamingResponse:
    """A model's bundle as a zip file, for `gradfleet.Bundle.load` after unpacking."""
    models.get(service, model)
    return as_file(models.bundle_file(service, model), f"{model}.zip")


@router.post("/models/{model}/export", dependencies=[RUN], response_class=StreamingResponse, responses=_EXPORTED)
def export_model(
    service: Current,
    model: ModelName,
    *,
    format: Format = "bundle",
    check: Check = True,
    max_loss: MaxLoss = 0.01,
) -> StreamingResponse:
    """A model in another format, as a zip file, while the sweep that it came from is there."""
    making = models.export_model(service, model, format=format, check=check, max_loss=max_loss)
    return as_file(making, f"{model}-{format}.zip")


@router.post(
    "/sweeps/{name}/trials/{number}/export",
    dependencies=[RUN],
    response_class=StreamingResponse,
    responses=_EXPORTED,
)
def export(
    service: Current,
    name: Name,
    number: Number,
    *,
    format: Format = "bundle",
    check: Check = True,
    max_loss: MaxLoss = 0.01,
) -> StreamingResponse:
    """A trial's model in a format, as a zip file, with its score in the header Gradfleet-Score."""
    making = models.export_file(service, name, number, format=format, check=check, max_loss=max_loss)
    return as_file(making, f"{name}-{number}-{format}.zip")


@router.post(
    "/models/{model}/predictions", dependencies=[READ], openapi_extra=_BODY, responses=responses(400, 409, 413, 415)
)
async def predict(service: Current, request: Request, model: ModelName, *, proba: Proba = False) -> Predictions:
    """What a model says of items: JSON, or one image as it is."""
    items = await _items(service, request)
    return await service.predicting.take(partial(models.predict, service, model, items, proba=proba))


@router.post(
    "/sweeps/{name}/predictions",
    dependencies=[READ],
    openapi_extra=_BODY,
    responses=responses(400, 409, 413, 415),
)
async def predict_best(
    service: Current,
    request: Request,
    name: Name,
    *,
    trial: Annotated[int | None, Query(description="The best one when not given.", ge=0, le=2**31 - 1)] = None,
    proba: Proba = False,
) -> Predictions:
    """What the best trial of a sweep, or another one, says of items: JSON, or one image as it is."""
    items = await _items(service, request)
    return await service.predicting.take(partial(predictions.of_sweep, service, name, trial, items, proba=proba))


async def _items(service: Service, request: Request) -> list[Any]:
    kind = media_type(request)
    body = await request.body()
    if kind.startswith("image/"):
        return [body]
    if kind != JSON:
        raise RefusedError(415, f"Items come as {JSON}, or one image as image/..., got {kind[:100]!r}.")
    items = read_json(Items, body).items
    if len(items) > service.settings.limits.items:
        raise SettingError(f"One request predicts at most {service.settings.limits.items} items, got {len(items)}.")
    return list(items)


def as_file(making: AbstractContextManager[Packed], name: str) -> StreamingResponse:
    """A file that is gone when it was sent; it is made now, so that what goes wrong is a problem document."""
    packed = making.__enter__()

    def chunks() -> Iterator[bytes]:
        try:
            with packed.file.open("rb") as file:
                yield from iter(lambda: file.read(_CHUNK), b"")
        finally:
            making.__exit__(None, None, None)

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    headers |= {"Content-Length": str(packed.file.stat().st_size)}
    headers |= {} if packed.score is None else {SCORE: json.dumps(asdict(packed.score))}
    return StreamingResponse(chunks(), media_type="application/zip", headers=headers)
