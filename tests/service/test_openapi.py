"""The OpenAPI document is true: schemathesis finds no answer that it does not describe, and no server error.

Every operation is asked by itself, and then in the order that the document's links lay down.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Flaky
from sqlalchemy import insert, select

from gradfleet.service import replays, submissions, tokens, views
from gradfleet.service.app import create_app
from gradfleet.service.service import Service
from gradfleet.service.settings import Limits, ServiceSettings
from gradfleet.study.storage.tables import models
from tests.service.conftest import write_study

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own imports warn of
    import schemathesis
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi.checks import ensure_resource_availability, positive_data_acceptance

MAY_REFUSE = {
    "POST /v1/sweeps": "a spec names a task, a recipe and data, and those have to be there",
    "PUT /v1/datasets/{file}": "what is called an archive has to be one",
    "GET /v1/sweeps/{name}/leaderboard": "conditions and orders are expressions over the columns of that sweep",
    "GET /v1/sweeps/{name}/plots/{kind}": "metrics and dimensions are those of that sweep",
    "GET /v1/sweeps/{name}/plots/{kind}/png": "metrics and dimensions are those of that sweep",
    "POST /v1/sweeps/{name}/predictions": "items are of the kind that the model learned from",
    "POST /v1/models/{model}/predictions": "items are of the kind that the model learned from",
}
"""Where what fits the schema may still be refused with 422, and why: no schema can say that."""


class EnoughError(Exception):
    """As many requests were sent as were to be."""


class WithoutLifespan:
    """The service as it answers requests: nothing begins the sweeps that are asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await self._app(scope, receive, send)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[FastAPI]:
    """A service that has no limit for how often it is asked, and a study whose trials are being trained again."""
    limits = Limits(requests=1e6, burst=10**6)
    app = create_app(
        ServiceSettings(
            store=str(tmp_path / "gradfleet.db"), data=tmp_path / "data", names=("testserver",), limits=limits
        )
    )
    yield app
    app.state.service.close()


@pytest.fixture
def schema(patient: FastAPI) -> Any:
    found = schemathesis.openapi.from_asgi("/openapi.json", WithoutLifespan(patient))
    found.config.generation.update(with_security_parameters=False)  # each request says its token by itself
    return found


def read_bodies_of_links_as_a_whole(document: Any) -> None:
    """Schemathesis would put more into them; and it wants to know without being told which media type they have."""
    for operation in operations(document):
        for said in operation["responses"].values():
            for link in said.get("links", {}).values():
                if "requestBody" in link:
                    link["x-schemathesis"] = {"merge_body": False}
    del document["paths"]["/v1/sweeps"]["post"]["requestBody"]["content"]["application/yaml"]


def operations(document: Any) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def lay_out(service: Service) -> None:
    """What scenarios begin with: a study, a data set, and a model with a name, whose files are not those of a model."""
    for one in submissions.listed(service.store):
        submissions.remove(service.store, one.name)
    if not any(one.name == "digits" for one in views.sweeps(service).items):
        study = write_study(service.store)
        # Trained again by this process, as it says, so that no request starts another one.
        for number in range(3):
            replays.claim(service.store, study.id, number, recorded=0.5, by="tester", room=3)
    service.settings.data.joinpath("flowers.csv").write_text("a,b\n1,2\n")
    place = Path(service.artifacts, "models", "flowers-1")
    place.mkdir(parents=True, exist_ok=True)
    values = {"name": "flowers", "study": "digits", "trial": 2, "place": str(place), "created": time.time()}
    with service.store.database.engine.begin() as connection:
        if connection.execute(select(models).where(models.c.name == "flowers")).first() is None:
            connection.execute(insert(models).values(**values, created_by="tester", about={}))


def excluded(case: Any) -> list[Any]:
    """The checks that are not true of an operation; all others are made."""
    label = case.operation.label
    found = [positive_data_acceptance] if label in MAY_REFUSE else []
    # What was asked for and has not begun has neither trials nor a driver: 404 says so, with when to ask again.
    return found + ([ensure_resource_availability] if " /v1/sweeps/{name}/" in label else [])


def limits(examples: int, **more: Any) -> hypothesis_settings:
    few = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}
    return hypothesis_settings(max_examples=examples, **few, **more)


def test_whatever_has_a_name_is_led_to_by_a_link(patient: FastAPI) -> None:
    document = patient.openapi()
    answers = [said for operation in operations(document) for said in operation["responses"].values()]
    led_to = {link["operationId"] for said in answers for link in said.get("links", {}).values()}
    named = [one for path, item in document["paths"].items() if "{" in path for one in item.values()]
    assert {one["operationId"] for one in named} - led_to == set()


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_described(patient: FastAPI, schema: Any, mode: Any, *, soak: bool) -> None:
    service: Service = patient.state.service
    lay_out(service)
    text = tokens.create(service.store, "tester", scope="admin")
    found = [one.ok() for one in schema.get_all_operations()]
    assert len(found) > 40
    for operation in found:
        if mode.is_negative and not (operation.body or any(operation.iter_parameters())):
            continue  # there is nothing to say wrongly

        @limits(500 if soak else 2, derandomize=not soak)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {text}"}, excluded_checks=excluded(case))

        check()


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_answer_is_as_described_in_the_order_of_the_links(patient: FastAPI, schema: Any, *, soak: bool) -> None:
    service: Service = patient.state.service
    text = tokens.create(service.store, "tester", scope="admin")
    read_bodies_of_links_as_a_whole(schema.raw_schema)
    asked: Counter[str] = Counter()
    done: Counter[str] = Counter()
    failures: list[str] = []

    class Scenario(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            lay_out(service)
            if asked.total() >= wanted:
                raise EnoughError

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {text}"}}

        def validate_response(self, response: Any, case: Any, additional_checks: Any = None, **kwargs: Any) -> None:
            asked[case.operation.label] += 1
            done[case.operation.label] += response.status_code < 300
            try:
                case.validate_response(
                    response, excluded_checks=excluded(case), transport_kwargs=kwargs, recorder=self.recorder
                )
            except FailureGroup as error:
                failures.append(str(error))

    scenarios = limits(500, stateful_step_count=20 if soak else 10)
    wanted = 10_000 if soak else 100  # requests
    while asked.total() < wanted and not failures:
        # Links are followed at random and lead to what is there by then, so Hypothesis cannot repeat a scenario; when
        # it notices, it gives up, and others are begun.
        with suppress(Flaky, EnoughError):
            Scenario.run(settings=scenarios)
    assert not failures, failures[0]
    if soak:  # a short run reaches what it happens to
        assert len([label for label, times in done.items() if times]) > 25
