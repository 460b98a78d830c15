"""Routes of data sets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from gradfleet.service import datasets
from gradfleet.service.access import ADMIN, READ, RUN
from gradfleet.service.documents import SAFE_TEXT, Dataset
from gradfleet.service.problems import responses
from gradfleet.service.service import Current

router = APIRouter(prefix="/datasets", tags=["data"], responses=responses(401, 403, 422, 429, 503))

FileName = Annotated[  # one that cannot be is refused with words of its own
    str, Path(description="Of the file: flowers.zip, reviews.csv.", json_schema_extra={**SAFE_TEXT})
]
_BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
}


@router.get("", dependencies=[READ])
def list_datasets(service: Current) -> list[Dataset]:
    """What a spec may name as `data`."""
    return datasets.listed(service)


@router.put(
    "/{file}",
    dependencies=[RUN],
    status_code=201,
    openapi_extra={"requestBody": _BODY},
    responses=responses(400, 409, 413),
)
async def upload(service: Current, request: Request, file: FileName, response: Response) -> Dataset:
    """Upload a data set: an archive of class folders, or a table. It is there whole, or not at all."""
    receiving = datasets.receiving(service, file)
    target = await run_in_threadpool(receiving.__enter__)
    try:
        async for chunk in request.stream():
            await run_in_threadpool(target.write, chunk)
    except BaseException as error:
        await run_in_threadpool(receiving.__exit__, type(error), error, error.__traceback__)
        raise
    await run_in_threadpool(receiving.__exit__, None, None, None)
    response.headers["Location"] = f"/v1/datasets/{file}"
    return await run_in_threadpool(datasets.show, service, file)


@router.delete("/{file}", dependencies=[ADMIN], status_code=204, responses=responses(404))
def delete_dataset(service: Current, file: FileName) -> None:
    """Delete an uploaded file; sweeps that began with it keep what they have prepared."""
    datasets.delete(service, file)
