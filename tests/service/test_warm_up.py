"""What runs is read when the service starts, and what has ended is not."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.service.service import Service
from gradfleet.service.warm_up import WarmUp
from gradfleet.study.board import Board
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow, StudyState
from tests.service.conftest import write_study


class NotReadError(Exception):
    """Somebody would have to read it now."""


def board(service: Service, study: StudyRow) -> Board:
    """What is in memory of a study."""

    def missing() -> Board:
        raise NotReadError

    return service.boards.get((study.id, study.created), missing)


def set_state(service: Service, study: StudyRow, state: StudyState) -> None:
    with Lease.acquire(service.store, study) as lease:
        service.store.set_state(lease, state)


def test_the_boards_of_what_runs_are_read_ahead(service: Service) -> None:
    running, ended = write_study(service.store, "running"), write_study(service.store, "ended")
    set_state(service, running, "running")
    WarmUp(service).run()
    assert len(board(service, running).ranking().trials) == 4
    with pytest.raises(NotReadError):
        board(service, ended)


def test_a_service_reads_ahead_when_it_starts(app: FastAPI, service: Service) -> None:
    running = write_study(service.store)
    set_state(service, running, "running")
    with TestClient(app):
        deadline = time.monotonic() + 60
        while True:
            try:
                board(service, running)
                break
            except NotReadError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
