"""The process that sees to a sweep fetches its data from where the service allows, and from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradfleet.errors import SettingError
from gradfleet.service import starter, submissions
from gradfleet.service.starter import Call
from gradfleet.study.storage.store import Store

SPEC = {"version": 1, "name": "flowers", "task": "image-classification", "data": "http://127.0.0.1:9/flowers.zip"}


@pytest.mark.parametrize(
    ("urls", "problem"),
    [
        (["http://"], "Nothing is fetched from 127.0.0.1: it is a private address."),
        ([], "data at 'http://127.0.0.1:9/flowers.zip' is not allowed. URLs begin with: none."),
    ],
)
def test_what_is_not_allowed_when_it_is_fetched_fails_the_sweep(
    store: Store, tmp_path: Path, urls: list[str], problem: str
) -> None:
    submissions.add(store, "flowers", SPEC, by="alice")
    (waiting,) = submissions.unsettled(store)
    number = submissions.claim(store, waiting)
    assert number is not None
    call = Call(
        store.url,
        "flowers",
        number,
        str(tmp_path),
        "inline",
        open_cluster=False,
        urls=urls,
        private_urls=[],
        most=10**6,
    )
    with pytest.raises(SettingError, match="127.0.0.1"):
        starter.run(call)
    found = submissions.get(store, "flowers")
    assert found is not None
    assert (found.state, problem in str(found.problem)) == ("failed", True), found.problem
