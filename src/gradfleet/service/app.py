"""The application: routes and middleware, put together from settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

import gradfleet
from gradfleet.service import problems
from gradfleet.service.guards import BodyLimit, HostCheck, SecurityHeaders
from gradfleet.service.problems import Problem
from gradfleet.service.routes import sweeps, system, trials
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings

ROUTERS: tuple[APIRouter, ...] = (system.router, sweeps.router, trials.router)


def create_app(settings: ServiceSettings) -> FastAPI:
    """The service over the store of these settings, which is opened now and closed with the app.

    Raises:
        StoreError: no store can be there.
        SettingError: the store is a server, and no artifacts are given.
    """
    service = Service.open(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="gradfleet",
        version=gradfleet.__version__,
        description="Sweeps, trials and models of one store. Errors are problem documents (RFC 9457).",
        lifespan=lifespan,
        docs_url=None,  # its pages load their scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    problems.install(app)
    app.add_middleware(BodyLimit, limits=settings.limits)
    app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """An OpenAPI document that says of errors what they are: problem documents, never FastAPI's own form."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            schemas = document["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
