"""What the service shows of sweeps and trials."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from fastapi.testclient import TestClient

from gradfleet.fleet import sent_driver
from gradfleet.fleet.jobs import Job
from gradfleet.goal import aim
from gradfleet.objective import Objective
from gradfleet.service import steering, views
from gradfleet.service.readiness import FIRST
from gradfleet.service.service import Service
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.trials.output import kept_output
from tests.service.conftest import Client, write_study


def test_health_and_readiness_need_no_token(client: Client) -> None:
    assert client().get("/v1/health").json()["status"] == "ok"
    assert client().get("/v1/ready").json() == {"ready": True, "store": "ok", "cluster": FIRST}


def test_tasks_come_with_a_summary(reader: TestClient) -> None:
    found = {one["name"]: one["summary"] for one in reader.get("/v1/tasks").json()}
    assert "image-classification" in found
    assert all(found.values())


def test_sweeps_are_listed_the_newest_first_in_pages(reader: TestClient, store: Store) -> None:
    for name in ("one", "two", "three"):
        write_study(store, name)
    first = reader.get("/v1/sweeps", params={"limit": 2}).json()
    assert [one["name"] for one in first["items"]] == ["three", "two"]
    assert (first["total"], first["offset"], first["next"]) == (3, 0, 2)
    last = reader.get("/v1/sweeps", params={"limit": 2, "offset": first["next"]}).json()
    assert ([one["name"] for one in last["items"]], last["next"]) == (["one"], None)
    by_name = reader.get("/v1/sweeps", params={"sort": "name"}).json()["items"]
    assert [one["name"] for one in by_name] == ["one", "three", "two"]
    oldest = reader.get("/v1/sweeps", params={"sort": "created", "limit": 1}).json()["items"]
    assert [one["name"] for one in oldest] == ["one"]
    refused = reader.get("/v1/sweeps", params={"sort": "nam"})
    assert (refused.status_code, "Did you mean 'name'?" in refused.json()["detail"]) == (422, True)
    assert reader.get("/v1/sweeps", params={"name": "TW"}).json()["total"] == 1
    assert reader.get("/v1/sweeps", params={"state": "running"}).json()["total"] == 0


def test_a_sweep_is_shown_with_its_numbers(reader: TestClient, study: StudyRow) -> None:
    found = reader.get("/v1/sweeps/digits").json()
    assert found["states"] == {"COMPLETE": 2, "PRUNED": 1, "FAIL": 1}
    assert (found["state"], found["trials"], found["failed"], found["best"]) == ("completed", 4, 1, 0.9)
    assert found["objective"] == {"metric": "val_accuracy", "mode": "max"}
    assert found["budget"] == {"trials": 4, "seconds": None, "target": None, "patience": None}
    assert found["space"]["learning_rate"] == "Float(0.0001, 0.1, log=True)"


def test_the_best_of_a_minimum_is_the_smallest(reader: TestClient, store: Store) -> None:
    write_study(store, objective={"metric": "val_accuracy", "mode": "min"})
    assert reader.get("/v1/sweeps").json()["items"][0]["best"] == 0.4
    assert reader.get("/v1/sweeps/digits/best").json()["value"] == 0.4


def test_with_a_constraint_the_best_keeps_it(reader: TestClient, store: Store) -> None:
    study = write_study(store, objective=aim(Objective("val_accuracy", "max"), ["val_loss >= 0.35"]).to_json())
    best = Study(store, study).best
    assert (best.number, best.value) == (0, 0.6)
    assert reader.get("/v1/sweeps").json()["items"][0]["best"] == 0.6


def test_the_leaderboard_is_that_of_the_study(reader: TestClient, store: Store, study: StudyRow) -> None:
    found = reader.get("/v1/sweeps/digits/leaderboard").json()
    frame = Study(store, study).leaderboard()
    assert [one["trial"] for one in found["items"]] == frame["trial"].tolist() == [2, 0, 1, 3]
    assert (found["best"], found["total"], found["items"][0]["mark"]) == (2, 4, "best")
    assert found["items"][0]["metrics"] == {"val_accuracy": 0.9, "val_loss": None}


def test_the_leaderboard_is_filtered_sorted_and_paged(reader: TestClient, study: StudyRow) -> None:
    params = {"where": ["value >= 0.4", "state != FAIL"], "sort": "value", "limit": 2, "offset": 1}
    found = reader.get("/v1/sweeps/digits/leaderboard", params=params).json()
    assert [one["trial"] for one in found["items"]] == [0, 2]
    assert (found["total"], found["next"]) == (3, None)


def test_a_condition_that_cannot_be_is_refused_with_the_columns(reader: TestClient, study: StudyRow) -> None:
    refused = reader.get("/v1/sweeps/digits/leaderboard", params={"where": "valu > 1", "sort": "seconnds"})
    assert refused.status_code == 422
    assert len(refused.json()["problems"]) == 2
    assert "Did you mean 'value'?" in refused.json()["problems"][0]


def test_trials_are_filtered_and_sorted_in_the_store(reader: TestClient, store: Store, study: StudyRow) -> None:
    Study(store, study).star(1)

    def numbers(**params: object) -> list[int]:
        found = reader.get("/v1/sweeps/digits/trials", params=params)  # type: ignore[arg-type]
        return [one["trial"] for one in found.json()["items"]]

    assert numbers() == [0, 1, 2, 3]
    assert numbers(state=["FAIL", "PRUNED"]) == [1, 3]
    assert numbers(starred=True) == [1]
    assert numbers(sort="-value") == [2, 0, 1, 3]
    assert numbers(sort="value", limit=2) == [1, 0]
    assert numbers(sort="-number", limit=2, offset=3) == [0]
    refused = reader.get("/v1/sweeps/digits/trials", params={"sort": "config"}).json()
    assert refused["detail"].startswith("No column of trials to sort by is called 'config'.")


def test_a_trial_is_shown_with_its_records(reader: TestClient, study: StudyRow) -> None:
    found = reader.get("/v1/sweeps/digits/trials/2").json()
    assert (found["value"], found["best_epoch"], found["feasible"]) == (0.9, 2, True)
    assert found["metrics"]["val_loss"] is None
    records = reader.get("/v1/sweeps/digits/trials/2/records").json()
    assert [one["metrics"]["val_accuracy"] for one in records] == [0.7, 0.9]
    failed = reader.get("/v1/sweeps/digits/trials/3").json()
    assert failed["traceback"] == "ZeroDivisionError: division by zero"


def test_what_a_trial_has_printed_is_shown(reader: TestClient, store: Store, study: StudyRow) -> None:
    address = Study(store, study).artifacts.log("digits", 2)
    with kept_output(address, lambda record, checkpoint=None: None):
        sys.stdout.write("<b>loss</b> is 0.5\n")
    shown = reader.get("/v1/sweeps/digits/trials/2/logs")
    assert (shown.text, shown.headers["content-type"]) == ("<b>loss</b> is 0.5\n", "text/plain; charset=utf-8")
    assert reader.get("/v1/sweeps/digits/trials/2/logs", params={"most": 4}).text == "0.5\n"
    assert reader.get("/v1/sweeps/digits/trials/1/logs").text == ""
    assert reader.get("/v1/sweeps/digits/trials/9/logs").status_code == 404


def test_while_a_cluster_is_away_the_log_is_what_the_sender_has_said(service: Service, study: StudyRow) -> None:
    folder = Path(study.artifacts, "digits")
    sent_driver.keep(study, Job("http://127.0.0.1:9", "gradfleet-digits-0"))
    (folder / "driver.log").write_text("It was sent.")
    away = replace(service, settings=replace(service.settings, cluster="http://127.0.0.1:9"))
    assert steering.logs(away, "digits", most=100) == "It was sent."


def test_what_is_not_there_is_not_found(reader: TestClient, study: StudyRow) -> None:
    for path in ("digts", "digts/best", "digts/trials", "digts/leaderboard", "digts/trials/0/records"):
        missing = reader.get(f"/v1/sweeps/{path}")
        assert missing.status_code == 404
        assert "Did you mean 'digits'?" in missing.json()["detail"]
    assert reader.get("/v1/sweeps/digits/trials/9").json()["detail"] == "The study has no trial 9; it has 4, from 0."
    assert reader.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_no_result_yet_is_a_conflict(reader: TestClient, store: Store) -> None:
    values = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": {"entries": []}}
    store.create_study("empty", values)
    refused = reader.get("/v1/sweeps/empty/best")
    assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")


def test_pages_and_json_come_from_the_same_functions(reader: TestClient, service: Service, study: StudyRow) -> None:
    assert views.sweep(service, "digits").model_dump() == reader.get("/v1/sweeps/digits").json()
    shown = views.leaderboard(service, "digits", limit=1).model_dump()
    assert shown == reader.get("/v1/sweeps/digits/leaderboard", params={"limit": 1}).json()
