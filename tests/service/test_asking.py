"""Asking for sweeps: what is taken, and what is refused with nothing half-made."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gradfleet.data.download import Download
from gradfleet.data.places import located
from gradfleet.data.scratch import Scratch
from gradfleet.errors import DataError, SettingError
from gradfleet.service import specs, submissions
from gradfleet.service.service import Service
from gradfleet.service.settings import ServiceSettings
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store

SPEC: dict[str, Any] = {"version": 1, "name": "flowers", "task": "image-classification", "data": "sets/flowers"}


@pytest.fixture(autouse=True)
def data(settings: ServiceSettings) -> Path:
    folder = settings.data / "sets" / "flowers"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def nothing_made(store: Store) -> Iterator[None]:
    yield
    assert (submissions.listed(store), store.studies()) == ([], [])


def test_a_sweep_is_asked_for_once_in_json_or_yaml(runner: TestClient, store: Store, data: Path) -> None:
    made = runner.post("/v1/sweeps", json=SPEC)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/sweeps/flowers")
    assert (made.json()["state"], made.json()["objective"]) == ("queued", None)
    text = f"# a comment\n{json.dumps(SPEC)}\n"
    same = runner.post("/v1/sweeps", content=text, headers={"Content-Type": "application/yaml"})
    assert same.status_code == 200
    (found,) = submissions.listed(store)
    assert (found.name, found.spec["data"], found.created_by) == ("flowers", str(data), "run-0")
    assert [one["name"] for one in runner.get("/v1/sweeps").json()["items"]] == ["flowers"]
    assert runner.get("/v1/sweeps", params={"state": "queued"}).json()["total"] == 1


def test_a_name_with_another_spec_is_a_conflict(runner: TestClient) -> None:
    runner.post("/v1/sweeps", json=SPEC)
    refused = runner.post("/v1/sweeps", json={**SPEC, "search": {"trials": 3}})
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "A sweep called 'flowers' was asked for with another spec. Choose another name."
    )


def test_a_sweep_without_a_name_gets_one(runner: TestClient) -> None:
    made = runner.post("/v1/sweeps", json={**SPEC, "name": None})
    assert made.json()["name"].startswith("image-classification-")


def test_clients_at_once_make_one(client: Any, store: Store) -> None:
    one = client("run")
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(one.post("/v1/sweeps", json=SPEC).status_code)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 5 + [201]
    assert len(submissions.listed(store)) == 1


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"serch": {}}, "No key is called 'serch'. Did you mean 'search'?"),
        ({"search": {"trials": "many"}}, 'search.trials needs a whole number, got "many"'),
        ({"version": 2}, "version"),
        ({"name": "../up"}, "A study's name has up to 100 letters"),
        ({"store": "sqlite:///other.db"}, "store is the service's to say; leave it out."),
        ({"cluster": "inline"}, "cluster is the service's to say; leave it out."),
        ({"data": "../../etc"}, "leads out of it"),
        ({"data": "/etc/passwd"}, "leads out of it"),
        ({"data": "."}, "leads out of it"),
        ({"data": "sets/nothing"}, "There is no data 'sets/nothing' below the service's folder. There is: sets."),
        ({"data": "file:///etc/passwd"}, "is not allowed. URLs begin with: none."),
        ({"data": "http://127.0.0.1:8000/x.csv"}, "is not allowed"),
        ({"data": "hub:imdb"}, "is not allowed"),
        ({"data": "a\0b"}, "data is a path below"),
        ({"options": {"backbones": ["/etc"]}}, "options name '/etc', which is not below"),
        ({"task": None, "recipe": "os:system", "data": None}, "The recipe 'os:system' is not allowed"),
        ({"task": None}, "needs either a task or a recipe"),
        ({"search": {"trials": 10**20}}, "search.trials: input should be less than or equal to 1000000"),
        ({"resources": {"cpu": 1e9}}, "No cluster has so much for one trial, got cpu=1000000000.0, gpu=None."),
    ],
)
def test_what_cannot_be_is_refused(runner: TestClient, changes: dict[str, Any], said: str) -> None:
    body = {key: value for key, value in {**SPEC, **changes}.items() if value is not None}
    refused = runner.post("/v1/sweeps", json=body)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert said in refused.json()["detail"]


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"a: &a [x]\nb: *a", "application/yaml", 422, "aliases (*a) are not read"),
        (b"{" * 100_000, "application/yaml", 422, "nests at most 20 deep"),
        (b'{"a":' * 5000, "application/json", 422, "A spec nests at most 20 deep."),
        (
            b'{"version": 1, "space": ' + b'{"a": ' * 50 + b"1" + b"}" * 51,
            "application/json",
            422,
            "nests at most 20 deep",
        ),
        (b"[1, 2]", "application/json", 422, "A spec is a JSON object, got list."),
        (b"\xff\xfe", "application/yaml", 422, "A spec is UTF-8 text"),
        (b"", "application/json", 422, "The spec is no JSON"),
        (b"x", "text/plain", 415, "A spec comes as application/json or application/yaml, got 'text/plain'."),
        (b"".join(b"k%d: 1\n" % n for n in range(1001)), "application/yaml", 422, "at most 2,000 names and values"),
        (b"a: b\n" * 20_001, "application/yaml", 422, "The spec has 100,005 bytes; a sweep has at most 100,000."),
        (b'{"version": 1' + b" " * 100_000 + b"}", "application/json", 422, "a sweep has at most 100,000"),
        (b'{"version": 1, "name": "a", "name": "b"}', "application/json", 422, "The spec says 'name' twice"),
        (b"a: b\n" * 2_000_000, "application/yaml", 413, "A body of this request has at most 4 MB."),
    ],
)
def test_bodies_that_are_no_spec_are_refused(
    runner: TestClient, body: bytes, kind: str, status: int, said: str
) -> None:
    refused = runner.post("/v1/sweeps", content=body, headers={"Content-Type": kind})
    assert refused.status_code == status
    assert said in refused.json()["detail"]


def test_links_out_of_the_folder_are_refused(service: Service, data: Path, tmp_path: Path) -> None:
    (data.parent / "out").symlink_to(tmp_path)
    with pytest.raises(SettingError, match="leads out of it"):
        specs.located(service, "sets/out")
    (data / "deep").mkdir()
    (data / "deep" / "link").symlink_to("/etc/passwd")
    with pytest.raises(SettingError, match="a link that leads out"):
        specs.located(service, "sets/flowers")


def test_urls_are_allowed_by_their_beginning_but_never_private_hosts(service: Service) -> None:
    open_service = replace(
        service, settings=replace(service.settings, urls=("s3://bucket/", "http://", "https://example.org"))
    )
    assert specs.located(open_service, "s3://bucket/flowers.zip") == "s3://bucket/flowers.zip"
    nearly = ("s3://bucketeer/x", "s3://bucket/../other", "s3://bucket/%2e%2E/x", "s3://bucket/x::file:///etc/passwd")
    for url in (*nearly, "https://example.org.evil.example/x", "https://example.org@evil.example/x"):
        with pytest.raises(SettingError, match="is not allowed"):
            specs.located(open_service, url)
    for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(SettingError, match="is a private address, and those are named by --allow-private-url"):
            specs.located(open_service, f"http://{host}/data.csv")
    for url in ("http://[::1", "http:///data.csv"):
        with pytest.raises(SettingError, match="data is at a URL such as https://example.org/flowers.zip, got "):
            specs.located(open_service, url)
    nowhere = f"http://{'a' * 300}/data.csv"  # no name is so long
    assert specs.located(open_service, nowhere) == nowhere


def test_names_that_no_file_can_have_are_refused_or_are_no_files(runner: TestClient) -> None:
    for data in ("a" * 5000, "a\0b", "\ud800"):
        refused = runner.post("/v1/sweeps", content=json.dumps({**SPEC, "data": data}))
        assert (refused.status_code, "data is a path below" in refused.json()["detail"]) == (422, True), data[:9]
    for number, target in enumerate(("a" * 500, "~nobody-is-called-so/x", "\ud800")):
        said = {**SPEC, "name": f"flowers-{number}", "options": {"target": target}}
        assert runner.post("/v1/sweeps", content=json.dumps(said)).status_code == 201, target[:9]


def test_a_folder_elsewhere_is_refused_as_a_network_before_it_is_looked_at(runner: TestClient, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    refused = runner.post("/v1/sweeps", json={**SPEC, "options": {"backbones": [str(tmp_path)]}})
    assert (refused.status_code, "is not below the service's folder for data" in refused.json()["detail"]) == (
        422,
        True,
    )


def test_hosts_of_ones_own_network_are_allowed_by_name(service: Service) -> None:
    url, public = "http://127.0.0.1:9000/sets/rows.csv", "https://example.org/rows.csv"
    settings = replace(service.settings, urls=("https://",), private_urls=("http://127.0.0.1:9000/sets/",))
    assert specs.located(replace(service, settings=settings), url) == url

    def download(url: str) -> Download:
        return specs.download(url, urls=settings.urls, private_urls=settings.private_urls)

    assert download(url) == Download(url, settings.private_urls, public=False)
    assert download(public) == Download(public, settings.urls, public=True)


def test_a_name_that_means_another_host_when_it_is_fetched_leads_nowhere(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["93.184.216.34"])
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *_, **__: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers, "127.0.0.1"), port or 0))
        ],
    )
    url = "http://rebinding.example/rows.csv"
    allowed = replace(service, settings=replace(service.settings, urls=("http://",)))
    assert specs.located(allowed, url) == url
    with pytest.raises(DataError, match=r"Nothing is fetched from 127\.0\.0\.1: it is a private address"):
        located(specs.download(url, urls=("http://",), private_urls=()), Scratch())


def test_recipes_are_allowed_by_name_or_package(service: Service) -> None:
    allowed = replace(service, settings=replace(service.settings, recipes=("mine.recipes:flowers", "team.*")))
    for recipe in ("mine.recipes:flowers", "team:one", "team.deep:two"):
        specs._check_recipe(allowed, recipe)
    for recipe in ("mine.recipes:others", "teammate:one"):
        with pytest.raises(SettingError, match="is not allowed, because a recipe is code"):
            specs._check_recipe(allowed, recipe)


def test_one_that_waits_says_so_where_its_trials_would_be(runner: TestClient) -> None:
    runner.post("/v1/sweeps", json=SPEC)
    for path in ("leaderboard", "best", "trials", "trials/0", "trials/0/records", "plots/history", "report"):
        found = runner.get(f"/v1/sweeps/flowers/{path}")
        assert (found.status_code, found.json()["detail"]) == (
            404,
            "flowers was asked for and has no trials yet: ask again when it runs.",
        ), path
    assert "No study is called 'nobody'" in runner.get("/v1/sweeps/nobody/leaderboard").json()["detail"]


def test_one_that_waits_is_taken_out_and_begun_again(runner: TestClient, admin: TestClient) -> None:
    runner.post("/v1/sweeps", json=SPEC)
    assert runner.post("/v1/sweeps/flowers/retry").status_code == 409
    assert runner.post("/v1/sweeps/flowers/stop").json() == {
        "id": None,
        "verb": "stop",
        "outcome": "It did not run yet, and will not begin.",
    }
    assert runner.get("/v1/sweeps/flowers").json()["state"] == "stopped"
    assert runner.post("/v1/sweeps/flowers/retry").json()["state"] == "queued"
    assert runner.get("/v1/sweeps/flowers/logs").text == ""
    assert admin.delete("/v1/sweeps/flowers").status_code == 204
    assert runner.get("/v1/sweeps/flowers").status_code == 404


def test_one_that_waits_to_go_on_ends_when_it_is_stopped(runner: TestClient, store: Store) -> None:
    runner.post("/v1/sweeps", json=SPEC)
    spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": []}
    with Lease.acquire(store, store.create_study("flowers", spec, artifacts="here")) as lease:
        store.set_state(lease, "running")  # by a process that has died
    outcome = runner.post("/v1/sweeps/flowers/stop").json()["outcome"]
    assert outcome == "It did not go on yet, and has ended."
    assert store.study("flowers").state == "stopped"


def test_one_that_has_ended_is_not_steered(runner: TestClient, admin: TestClient, study: StudyRow) -> None:
    for verb in ("pause", "resume", "stop", "cancel"):
        refused = runner.post(f"/v1/sweeps/digits/{verb}")
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            f"digits is completed: there is no sweep to {verb}. `retry` begins it again.",
        )
    assert runner.get("/v1/sweeps/digits/requests/1").status_code == 404
    assert admin.delete("/v1/sweeps/digits").status_code == 204
    assert admin.get("/v1/sweeps/digits").status_code == 404


def test_trials_are_starred_and_written_about(runner: TestClient, study: StudyRow) -> None:
    found = runner.patch("/v1/sweeps/digits/trials/1", json={"starred": True, "note": "odd"}).json()
    assert (found["starred"], found["note"]) == (True, "odd")
    found = runner.patch("/v1/sweeps/digits/trials/1", json={"note": ""}).json()
    assert (found["starred"], found["note"]) == (True, None)
    assert runner.patch("/v1/sweeps/digits/trials/9", json={"starred": True}).status_code == 404
    assert runner.patch("/v1/sweeps/digits/trials/1", json={"stared": True}).status_code == 422


def test_who_changes_something_or_is_refused_is_in_the_audit_log(
    runner: TestClient, admin: TestClient, client: Any
) -> None:
    runner.post("/v1/sweeps", json=SPEC)
    client().get("/v1/sweeps")
    runner.get("/v1/audit")
    found = [
        (one["token"], one["method"], one["path"], one["status"]) for one in admin.get("/v1/audit").json()["items"]
    ]
    assert found == [
        ("run-0", "GET", "/v1/audit", 403),
        (None, "GET", "/v1/sweeps", 401),
        ("run-0", "POST", "/v1/sweeps", 201),
    ]


def test_prometheus_gets_numbers_by_route_and_state(reader: TestClient, study: StudyRow) -> None:
    reader.get("/v1/sweeps/digits")
    found = reader.get("/v1/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=")
    assert 'gradfleet_sweeps{state="completed"} 1.0' in found.text
    assert 'gradfleet_trials{state="COMPLETE"} 2.0' in found.text
    assert 'route="/v1/sweeps/{name}",status="200"' in found.text
