"""A service that is killed again and again, or has a twin: every sweep runs once, to its end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradfleet.service import submissions
from gradfleet.study.storage.store import Store
from tests.service.running import Running, check_sweep, spec, trained, write_recipe

SWEEPS = [f"sweep-{number}" for number in range(5)]

Serve = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts services; those that still run are ended afterwards."""
    running: list[Running] = []

    def start(*options: str) -> Running:
        running.append(Running(tmp_path, *options))
        return running[-1]

    yield start
    for service in running:
        service.end()


def check_all(service: Running, folder: Path, names: list[str], *, trials: int) -> None:
    for name in names:
        assert service.wait_for(name, "completed", "failed", "stopped", seconds=500)["state"] == "completed"
    xs = [x for name in names for x in check_sweep(service, name, trials=trials)]
    assert trained(folder) == Counter((x, epoch) for x in xs for epoch in "123"), "nothing is trained twice"


@pytest.mark.soak
@pytest.mark.slow
def test_a_service_that_is_killed_loses_nothing_and_doubles_nothing(
    serve: Serve,
    tmp_path: Path,
    *,
    soak: bool,
) -> None:
    names, kills, trials = (SWEEPS, 20, 24) if soak else (SWEEPS[:3], 2, 3)
    write_recipe(tmp_path, seconds=1.0 if soak else 0.4)
    service, moments = serve("--sweeps", "5", "--cluster", "inline"), random.Random(0)
    asked = iter(names)
    for kill in range(kills):
        for name in [next(asked, None) for _ in range(2 if kill < 3 else 0)]:
            if name is not None:
                service.ask_until_it_answers("/v1/sweeps", spec(name, trials=trials, seed=SWEEPS.index(name)))
        time.sleep(moments.uniform(0.0, 2.0))
        service.kill()
        service.begin()
    assert next(asked, None) is None
    check_all(service, tmp_path, names, trials=trials)
    with Store.open(tmp_path / "gradfleet.db") as store:
        assert {one.state for one in submissions.listed(store)} == {"done"}


@pytest.mark.soak
@pytest.mark.slow
def test_two_services_over_one_postgresql_begin_no_sweep_twice(
    serve: Serve, tmp_path: Path, request: pytest.FixtureRequest, *, soak: bool
) -> None:
    """Each sweep is asked for at both; one of the services is killed in between, and the other one sees to its own."""
    names, trials = (SWEEPS, 3) if soak else (SWEEPS[:3], 2)
    url = request.getfixturevalue("postgresql").new_database()
    write_recipe(tmp_path, seconds=0.3)
    options = ("--store", url, "--artifacts", str(tmp_path / "artifacts"), "--cluster", "inline")
    twins = [serve(*options), serve(*options)]
    for place, name in enumerate(names):
        for service in (twins[place % 2], twins[1 - place % 2]):
            service.ask("/v1/sweeps", spec(name, trials=trials, seed=place))
    twins[0].wait_for(names[1], "running", "completed", seconds=120)
    begun = {name for name in names if twins[0].ask(f"/v1/sweeps/{name}")["state"] in ("running", "completed")}
    twins[0].kill()
    check_all(twins[1], tmp_path, names, trials=trials)
    with Store.open(url) as store:
        found = {one.name: one for one in submissions.listed(store)}
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(names, "done")
    assert {found[name].claim for name in begun} == {1}
    assert all(one.claim <= 2 for one in found.values()), "one that died while it began a sweep leaves it to the other"


@pytest.mark.slow
def test_a_cluster_that_is_away_keeps_a_sweep_waiting_and_both_say_so(serve: Serve, tmp_path: Path) -> None:
    write_recipe(tmp_path, seconds=0.1)
    service = serve("--cluster", "http://127.0.0.1:9")
    ready = service.ask("/v1/ready")
    assert (ready["ready"], ready["store"]) == (True, "ok")
    assert ready["cluster"].startswith("No Ray cluster answers at http://127.0.0.1:9 (")
    service.ask("/v1/sweeps", spec("waiting", trials=2, seed=0))
    deadline = time.monotonic() + 60
    while (found := service.ask("/v1/sweeps/waiting"))["problem"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found["state"] == "queued"
    assert found["problem"].startswith("No Ray cluster answers at http://127.0.0.1:9 (")
