"""The application: routes and middleware, put together from settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

import gradfleet
from gradfleet.service import dashboard, links, problems
from gradfleet.service.cluster_state import ClusterState
from gradfleet.service.datasets import clear_leftovers
from gradfleet.service.deaths import DeathWatch
from gradfleet.service.documents import SAFE_TEXT, Items, Marks, NewToken, Promotion
from gradfleet.service.events import Feeds
from gradfleet.service.guards import BodyLimit, HostCheck, SecurityHeaders
from gradfleet.service.observation import Metrics, Observation
from gradfleet.service.pages.routes import ROUTES as PAGES
from gradfleet.service.problems import Problem
from gradfleet.service.routes import datasets, events, models, pictures, sweeps, system, tokens, trials
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings
from gradfleet.service.supervisor import Supervisor
from gradfleet.service.warm_up import WarmUp
from gradfleet.sweeps.spec import SweepSpec

ROUTERS: tuple[APIRouter, ...] = (
    system.router,
    datasets.router,
    sweeps.router,
    events.router,
    pictures.router,
    trials.router,
    models.router,
    tokens.router,
)

_BODIES = (Items, Marks, NewToken, Promotion)
"""What routes read by themselves, so that FastAPI does not know of it."""


def create_app(settings: ServiceSettings) -> FastAPI:
    """The service over the store of these settings, which is opened now and closed with the app.

    Raises:
        StoreError: no store can be there.
        SettingError: the store is a server, and no artifacts are given.
    """
    service = Service.open(settings)
    clear_leftovers(settings.data)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threads: list[Supervisor | WarmUp | DeathWatch] = [Supervisor(service), WarmUp(service)]
        threads += [DeathWatch(service)] if settings.sends_jobs else []
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            await run_in_threadpool(thread.stop)
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
    app.state.feeds = Feeds(service)
    app.state.metrics = Metrics()
    app.state.cluster = ClusterState(service)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    app.router.routes.extend(PAGES)
    app.router.routes.extend(dashboard.routes())
    problems.install(app)
    app.add_middleware(BodyLimit, limits=settings.limits)
    app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(Observation, service=service, metrics=app.state.metrics)
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
            spec = _spec()
            schemas |= spec.pop("$defs") | {"SweepSpec": spec}
            schemas |= {body.__name__: body.model_json_schema() for body in _BODIES}
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            links.add(document)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _spec() -> dict[str, Any]:
    """What a sweep file may say, less what is the service's own, and with names as a store takes them."""
    spec = SweepSpec.model_json_schema(ref_template="#/components/schemas/{model}")
    for ours in ("store", "artifacts", "cluster"):
        del spec["properties"][ours]
    spec["properties"]["name"]["anyOf"][0] |= SAFE_TEXT
    return spec
