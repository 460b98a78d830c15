"""A store that cannot be is one clear error."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError, SettingError, StoreError
from gradfleet.study.storage.database import Database, parse_url
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import SCHEMA_VERSION


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, but long enough to be read as one" * 30)
    with pytest.raises(StoreError, match=r"notes\.txt refused: file is not a database"):
        Store.open(file)
    assert file.read_text().startswith("not a database")


def test_a_store_of_a_newer_gradfleet(store: Store, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE gradfleet_schema SET version = 99")
    connection.close()
    said = rf"has schema 99, made by a newer gradfleet; this one knows up to {SCHEMA_VERSION}\. Upgrade"
    with pytest.raises(StoreError, match=said):
        Store.open(file)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be made: the folder .*/nowhere does not exist"):
        Store.open(tmp_path / "nowhere" / "gradfleet.db")


def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(StoreError, match=r"is not writable|unable to open database file"):
        Store.open("/proc/gradfleet.db")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no file"):
        Store.open(tmp_path)


def test_a_file_that_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no store at sqlite:///.*/gradfleet\.db\. Pass store="):
        Store.open(tmp_path / "gradfleet.db", must_exist=True)
    assert not (tmp_path / "gradfleet.db").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory(url: str) -> None:
    with pytest.raises(StoreError, match="A store needs a file that other processes can open"):
        Store.open(url)


@pytest.mark.parametrize("url", ["://x", "what://host/db", "mysql://host/db"])
def test_a_url_of_no_database(url: str) -> None:
    with pytest.raises(StoreError, match="A store is a file or a URL|is no store that gradfleet knows"):
        Store.open(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:secret@host/db", "postgresql+psycopg://ann:***@host/db"),
        ("postgresql://ann@host/db?password=secret", "postgresql+psycopg://ann@host/db"),
    ],
)
def test_a_server_hides_its_password(url: str, shown: str) -> None:
    assert str(Database(parse_url(url), patience=1)) == shown


def test_a_server_has_no_place_for_artifacts_beside_it(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(store.database, "url", parse_url("postgresql://ann:secret@host/db"))
    with pytest.raises(SettingError, match=r"ann:\*\*\*@host/db is a server: pass artifacts="):
        store.default_artifacts()


def test_a_store_that_several_make_at_the_same_moment_is_open_to_all(tmp_path: Path) -> None:
    ready = threading.Barrier(4, timeout=60)

    def studies(file: Path) -> list[StudyRow]:
        ready.wait()
        with Store.open(file) as store:
            return store.studies()

    with ThreadPoolExecutor(4) as threads:
        for number in range(20):
            assert list(threads.map(studies, [tmp_path / f"{number}.db"] * 4)) == [[]] * 4
