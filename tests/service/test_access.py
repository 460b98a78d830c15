"""Every route and who may use it; tokens and what becomes of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.service import tokens
from gradfleet.service.app import ROUTERS
from gradfleet.service.dashboard import ICON, PLACES
from gradfleet.service.pages.routes import PAGES
from gradfleet.service.pages.session import TOKEN, proof
from gradfleet.service.tokens import SCOPES, Scope
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import tokens as table
from tests.service.conftest import Client

ACCESS: dict[str, Scope | None] = {
    "GET /v1/health": None,
    "GET /v1/ready": None,
    "GET /v1/whoami": "read",
    "GET /v1/tasks": "read",
    "GET /v1/sweeps": "read",
    "GET /v1/sweeps/{name}": "read",
    "GET /v1/sweeps/{name}/leaderboard": "read",
    "GET /v1/sweeps/{name}/best": "read",
    "GET /v1/sweeps/{name}/trials": "read",
    "GET /v1/sweeps/{name}/trials/{number}": "read",
    "GET /v1/sweeps/{name}/trials/{number}/records": "read",
    "GET /v1/sweeps/{name}/trials/{number}/logs": "read",
    "GET /v1/sweeps/{name}/trials/{number}/replay": "read",
    "POST /v1/sweeps/{name}/trials/{number}/replay": "run",
    "PATCH /v1/sweeps/{name}/trials/{number}": "run",
    "POST /v1/sweeps/{name}/trials/{number}/export": "run",
    "POST /v1/sweeps": "run",
    "POST /v1/sweeps/{name}/pause": "run",
    "POST /v1/sweeps/{name}/resume": "run",
    "POST /v1/sweeps/{name}/stop": "run",
    "POST /v1/sweeps/{name}/cancel": "run",
    "POST /v1/sweeps/{name}/retry": "run",
    "GET /v1/sweeps/{name}/requests/{id}": "read",
    "GET /v1/sweeps/{name}/logs": "read",
    "GET /v1/sweeps/{name}/events": "read",
    "GET /v1/sweeps/{name}/plots/{kind}": "read",
    "GET /v1/sweeps/{name}/plots/{kind}/png": "read",
    "GET /v1/sweeps/{name}/report": "read",
    "GET /v1/sweeps/{name}/report/html": "read",
    "POST /v1/sweeps/{name}/predictions": "read",
    "GET /v1/models": "read",
    "POST /v1/models": "run",
    "GET /v1/models/{model}": "read",
    "DELETE /v1/models/{model}": "admin",
    "GET /v1/models/{model}/download": "read",
    "POST /v1/models/{model}/export": "run",
    "POST /v1/models/{model}/predictions": "read",
    "GET /v1/datasets": "read",
    "PUT /v1/datasets/{file}": "run",
    "DELETE /v1/datasets/{file}": "admin",
    "GET /v1/metrics": "read",
    "GET /v1/audit": "admin",
    "GET /v1/tokens": "admin",
    "POST /v1/tokens": "admin",
    "DELETE /v1/tokens/{token}": "admin",
    "DELETE /v1/sweeps/{name}": "admin",
}
"""The scope that a route needs; None needs no token."""

PAGE_ACCESS: dict[str, Scope | None] = {
    "GET /": "read",
    "GET /login": None,
    "POST /login": None,
    "POST /logout": "read",
    "GET /new": "run",
    "POST /new": "run",
    "POST /new/look": "run",
    "GET /data": "read",
    "POST /data": "run",
    "GET /data/{file}/delete": "admin",
    "POST /data/{file}/delete": "admin",
    "GET /models": "read",
    "GET /models/{model}": "read",
    "POST /models/{model}/predict": "read",
    "GET /models/{model}/download": "read",
    "GET /models/{model}/delete": "admin",
    "POST /models/{model}/delete": "admin",
    "GET /sweeps/{name}": "read",
    "GET /sweeps/{name}/logs": "read",
    "GET /sweeps/{name}/dashboard": "read",
    "GET /sweeps/{name}/cancel": "run",
    "GET /sweeps/{name}/delete": "admin",
    "POST /sweeps/{name}/delete": "admin",
    "POST /sweeps/{name}/{verb}": "run",
    "GET /sweeps/{name}/plots/{kind}.svg": "read",
    "GET /sweeps/{name}/trials/{number}": "read",
    "GET /sweeps/{name}/trials/{number}/curves.svg": "read",
    "GET /sweeps/{name}/trials/{number}/validation": "read",
    "POST /sweeps/{name}/trials/{number}/marks": "run",
    "POST /sweeps/{name}/trials/{number}/replay": "run",
    "POST /sweeps/{name}/trials/{number}/predict": "read",
    "POST /sweeps/{name}/trials/{number}/promote": "run",
    "POST /sweeps/{name}/trials/{number}/export": "run",
    "GET /compare": "read",
    "GET /compare.svg": "read",
    "GET /static": None,
    "GET /{path:path}": "read",
}
"""The same of pages, below `/ui`."""


def test_every_route_has_an_entry(app: FastAPI) -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    found = {f"{method} /v1{route.path}" for route in routes for method in route.methods}  # type: ignore[attr-defined]
    assert found == set(ACCESS)
    others = [route for route in app.routes if type(route).__name__ != "_IncludedRouter"]
    assert [route.path for route in others] == ["/openapi.json", "/", "/ui", *PLACES, ICON]  # type: ignore[attr-defined]
    assert len(app.routes) == len(others) + len(ROUTERS)


def test_every_page_has_an_entry() -> None:
    found = [f"{method} {one.path}" for one in PAGES for method in getattr(one, "methods", ["GET"]) if method != "HEAD"]  # type: ignore[attr-defined]
    assert sorted(found) == sorted(PAGE_ACCESS)


@pytest.fixture
def texts(store: Store) -> dict[str, str | None]:
    """A token of each scope, and of each kind that counts for nothing."""
    expired = tokens.create(store, "expired", scope="admin", seconds=1e-9)
    revoked = tokens.create(store, "revoked", scope="admin")
    tokens.revoke(store, "revoked")
    others = {"none": None, "bad": "gf_nonsense", "empty": "", "expired": expired, "revoked": revoked}
    return others | {scope: tokens.create(store, f"a-{scope}", scope=scope) for scope in SCOPES}


def expected(kind: str, scope: Scope | None) -> str:
    """What becomes of who comes with a token of that kind to where that scope is needed."""
    if scope is None:
        return "in"
    if kind not in SCOPES:
        return "unknown"
    return "in" if SCOPES.index(kind) >= SCOPES.index(scope) else "refused"


def address(path: str, study: StudyRow) -> str:
    names = {"model": "flowers", "file": "flowers.zip", "token": "nobody", "kind": "timeline", "verb": "pause"}
    return path.format(name=study.name, number=0, id=1, **names)


def test_every_route_lets_in_exactly_who_has_its_scope(
    client: Client, texts: dict[str, str | None], study: StudyRow
) -> None:
    clients = {kind: client(text=text) for kind, text in texts.items()}
    for route, scope in ACCESS.items():
        method, path = route.split()
        for kind, one in clients.items():
            status = one.request(method, address(path, study)).status_code
            got = {401: "unknown", 403: "refused"}.get(status, "in")
            assert (got, status < 500) == (expected(kind, scope), True), (route, kind, status)


def test_every_page_lets_in_exactly_who_has_its_scope(
    client: Client, texts: dict[str, str | None], study: StudyRow
) -> None:
    browsers = {kind: client() for kind in texts}
    for route, scope in PAGE_ACCESS.items():
        if route == "POST /login":  # asks for a token by itself
            continue
        method, path = route.split()
        path = address(path.replace("{path:path}", "nowhere").replace("/static", "/static/style.css"), study)
        for kind, one in browsers.items():
            text = texts[kind]
            cookies = {} if text is None else {TOKEN: text}
            form = {"csrf": proof(text or "")} if method == "POST" else None
            one.cookies = cookies  # type: ignore[assignment]
            answer = one.request(method, f"/ui{path}", data=form, follow_redirects=False)
            where = answer.headers.get("location", "")
            got = "unknown" if where.startswith("/ui/login?") else "refused" if answer.status_code == 403 else "in"
            assert (got, answer.status_code < 500) == (expected(kind, scope), True), (route, kind, answer.status_code)


def test_a_form_of_another_page_than_ours_is_refused(client: Client, texts: dict[str, str | None]) -> None:
    browser = client()
    browser.cookies = {TOKEN: texts["admin"]}  # type: ignore[assignment]
    for route in PAGE_ACCESS:
        method, path = route.split()
        if method == "POST":
            assert browser.post(f"/ui{path}", data={"csrf": "nonsense"}).status_code in (401, 403), route


def test_a_refusal_says_what_is_needed(client: Client, store: Store) -> None:
    tokens.create(store, "old", scope="read")
    without = client().get("/v1/sweeps")
    assert without.headers["www-authenticate"] == "Bearer"
    assert without.headers["content-type"] == "application/problem+json"
    assert without.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A token is needed, as the header `Authorization: Bearer TOKEN`.",
        "problems": [],
    }
    expired = tokens.create(store, "late", scope="read", seconds=1e-9)
    assert client(text=expired).get("/v1/sweeps").json()["detail"] == (
        "The token 'late' has expired. Ask for another one."
    )


def test_a_revoked_token_ends_at_once(client: Client, store: Store) -> None:
    text = tokens.create(store, "alice", scope="read")
    alice = client(text=text)
    assert alice.get("/v1/whoami").json() == {"name": "alice", "scope": "read", "expires": None}
    tokens.revoke(store, "alice")
    assert alice.get("/v1/whoami").json()["detail"] == "The token 'alice' was revoked. Ask for another one."


def test_the_store_has_no_token_only_its_hash(store: Store) -> None:
    text = tokens.create(store, "alice", scope="run", seconds=60)
    with store.database.engine.connect() as connection:
        (row,) = connection.execute(table.select()).all()
    assert text not in str(row)
    (token,) = tokens.listed(store)
    assert (token.name, token.scope, token.is_valid()) == ("alice", "run", True)
    assert not token.is_valid(time.time() + 61)


def test_a_name_has_one_valid_token(store: Store) -> None:
    tokens.create(store, "alice", scope="read")
    with pytest.raises(SettingError, match="A token called 'alice' is there already"):
        tokens.create(store, "alice", scope="admin")
    with pytest.raises(NotFoundError, match="No valid token is called 'bob'. Known: alice."):
        tokens.revoke(store, "bob")
    tokens.revoke(store, "alice")
    assert tokens.create(store, "alice", scope="admin").startswith("gf_")


def test_a_scope_that_nobody_knows_is_refused(store: Store) -> None:
    with pytest.raises(SettingError, match="No scope is called 'write'. Known: admin, read, run."):
        tokens.create(store, "alice", scope="write")  # type: ignore[arg-type]


def test_tokens_are_managed_over_http(admin: TestClient, client: Client) -> None:
    made = admin.post("/v1/tokens", json={"name": "alice", "scope": "run", "seconds": 60})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/tokens/alice")
    alice = client(text=made.json()["token"])
    assert alice.get("/v1/whoami").json()["scope"] == "run"
    listed = {one["name"]: one for one in admin.get("/v1/tokens").json()}
    assert listed["alice"] == {name: made.json()[name] for name in ("name", "scope", "state", "created", "expires")}
    assert listed["alice"]["state"] == "valid"
    assert admin.post("/v1/tokens", json={"name": "alice"}).status_code == 409
    assert admin.delete("/v1/tokens/alice").status_code == 204
    assert alice.get("/v1/whoami").status_code == 401
    assert admin.delete("/v1/tokens/alice").status_code == 404
    assert {one["state"] for one in admin.get("/v1/tokens").json() if one["name"] == "alice"} == {"revoked"}


@pytest.mark.parametrize(
    "body", [{"name": "../up"}, {"name": "a", "scope": "write"}, {"name": "a", "seconds": 0}, {"name": "a", "x": 1}, {}]
)
def test_a_token_that_cannot_be_is_not_made(admin: TestClient, store: Store, body: dict[str, object]) -> None:
    before = len(tokens.listed(store))
    assert admin.post("/v1/tokens", json=body).status_code == 422
    assert len(tokens.listed(store)) == before


def test_of_clients_that_ask_for_one_name_at_once_one_gets_it(admin: TestClient, store: Store) -> None:
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(admin.post, "/v1/tokens", json={"name": "alice"}) for _ in range(6)]
        assert sorted(one.result().status_code for one in asked) == [201, 409, 409, 409, 409, 409]
    assert [one.name for one in tokens.listed(store)].count("alice") == 1
