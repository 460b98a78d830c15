"""The OpenAPI document is true: schemathesis finds no answer that it does not describe, and no server error."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from gradfleet.service import tokens
from gradfleet.service.app import create_app
from gradfleet.service.settings import Limits, ServiceSettings
from tests.service.conftest import write_study

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own imports warn of
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance


@pytest.fixture
def patient(tmp_path: Path) -> FastAPI:
    """A service that has no limit for how often it is asked."""
    limits = Limits(requests=1e6, burst=10**6)
    app = create_app(
        ServiceSettings(
            store=str(tmp_path / "gradfleet.db"), data=tmp_path / "data", names=("testserver",), limits=limits
        )
    )
    write_study(app.state.service.store)
    return app


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_answer_is_as_described(patient: FastAPI, *, soak: bool) -> None:
    text = tokens.create(patient.state.service.store, "tester", scope="admin")
    schema = schemathesis.openapi.from_asgi("/openapi.json", patient)
    limits = {"max_examples": 500 if soak else 3, "deadline": None, "database": None, "derandomize": not soak}
    limits |= {"suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:

        @hypothesis_settings(**limits)  # type: ignore[arg-type]
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            # A spec or a name that fits the schema may still ask for what is not there, or not allowed.
            case.call_and_validate(
                headers={"Authorization": f"Bearer {text}"}, excluded_checks=[positive_data_acceptance]
            )

        check()
    patient.state.service.close()
