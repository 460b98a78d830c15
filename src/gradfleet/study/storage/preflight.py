"""What can be refused of a study before anything is written for it."""

from __future__ import annotations

from pathlib import Path

from gradfleet.study.storage.database import check_file, parse_url, sqlite_file
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import ENDED, StudyRow
from gradfleet.study.storage.store import Store, check_name, name_taken


def check_study(store: str | Path | None, name: str, *, resume: bool) -> None:
    """Refuse a name that cannot be one or is taken, and a store that cannot be, without making a store.

    Raises:
        SettingError: the name cannot be one, or is taken and the study is not to be resumed; see `holds_its_name`.
        StoreError: no store can be there.
    """
    check_name(name)
    url = parse_url(store)
    check_file(url, must_exist=False)
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return
    with Store.open(store) as opened:
        present = next((study for study in opened.studies() if study.name == name), None)
        if not resume and present is not None and holds_its_name(opened, present):
            raise name_taken(name, opened.url)


def holds_its_name(store: Store, study: StudyRow) -> bool:
    """Whether there is anything to go on with: a record of any trial, or a driver, at work or still to come.

    A search that could not be, say for an objective that no record has, leaves a study without any record. What is
    mended and begun again under the same name takes its place.
    """
    return study.state not in ENDED or store.has_records(study.id) or bool(Lease.is_held(store, study))
