"""What can be refused of a study before anything is written for it."""

from __future__ import annotations

from pathlib import Path

from gradfleet.study.storage.database import check_file, parse_url, sqlite_file
from gradfleet.study.storage.store import Store, check_name, name_taken


def check_study(store: str | Path | None, name: str, *, resume: bool) -> None:
    """Refuse a name that cannot be one or is taken, and a store that cannot be, without making a store.

    Raises:
        SettingError: the name cannot be one, or is taken and the study is not to be resumed.
        StoreError: no store can be there.
    """
    check_name(name)
    url = parse_url(store)
    check_file(url, must_exist=False)
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return
    with Store.open(store) as opened:
        if not resume and name in (study.name for study in opened.studies()):
            raise name_taken(name, opened.url)
