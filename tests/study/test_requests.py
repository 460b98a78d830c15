"""Requests reach whoever holds the lease."""

from __future__ import annotations

import pytest

from gradfleet.errors import SettingError
from gradfleet.study.storage import requests
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store

pytestmark = pytest.mark.stores


def test_a_request_is_pending_until_it_is_answered(store: Store, study: StudyRow, lease: Lease) -> None:
    first = requests.add(store, study, "pause")
    second = requests.add(store, study, "cancel", {"trial": 3})
    assert [(row.id, row.verb, row.arguments) for row in requests.pending(store, study)] == [
        (first, "pause", {}),
        (second, "cancel", {"trial": 3}),
    ]
    requests.answer(store, lease, first, "No new trials are started.")
    requests.answer(store, lease, first, "Never mind.")
    assert [row.id for row in requests.pending(store, study)] == [second]
    answered = requests.get(store, first)
    assert answered is not None
    assert answered.outcome == "No new trials are started."
    assert answered.answered is not None


def test_an_unknown_request_names_the_nearest(store: Store, study: StudyRow) -> None:
    with pytest.raises(SettingError, match=r"No request is called 'puase'\. Did you mean 'pause'\?"):
        requests.add(store, study, "puase")


def test_a_request_of_another_study_is_not_answered(store: Store, lease: Lease, spec: dict[str, object]) -> None:
    other = store.create_study("letters", spec, artifacts="here")
    request = requests.add(store, other, "stop")
    requests.answer(store, lease, request, "Stopped.")
    assert [row.id for row in requests.pending(store, other)] == [request]
    assert requests.pending(store, lease.study) == []
