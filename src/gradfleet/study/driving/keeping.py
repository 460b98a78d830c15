"""The checkpoints of a sweep: which go, which are damaged, and which are inherited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gradfleet.study.artifacts import Artifacts
from gradfleet.study.driving.live import LiveTrial
from gradfleet.study.driving.roster import Roster
from gradfleet.study.driving.writes import Writes
from gradfleet.study.origin import Origin
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.trials.checkpoints import is_whole


class Keeping:
    """Deletes what no trial of the roster needs, and finds what one goes on from."""

    def __init__(self, store: Store, study: StudyRow, *, writes: Writes, roster: Roster) -> None:
        self._store = store
        self._study = study
        self._writes = writes
        self._roster = roster
        self._artifacts = Artifacts(study.artifacts)

    def place(self, number: int) -> str:
        """The address under which a trial writes."""
        return self._artifacts.place(self._study.name, number)

    def log(self, number: int) -> str:
        """The address of the file for what a trial prints."""
        return self._artifacts.log(self._study.name, number)

    def delete_later(self, addresses: Sequence[str]) -> None:
        """Once the store has what came in their place."""
        if addresses:
            self._writes.afterwards(partial(self.delete, addresses))

    def delete(self, addresses: Sequence[str]) -> None:
        """The folders first: a driver that is killed in between leaves an address to look at again, and no orphan."""
        needed = {live.inherited for live in self._roster if live.last_checkpoint is None}
        if gone := [address for address in addresses if address not in needed]:
            for address in gone:
                self._artifacts.delete(address)
            self._writes.forget_checkpoints(gone)

    def inherit(self, live: LiveTrial, origin: Origin | None) -> None:
        """Have a trial go on from its parent's checkpoint, where the parent has one."""
        live.origin = origin
        if origin is not None:
            self._writes.write()  # the parent's last record may be among what is not
            records = self._store.records(self._study.id, origin.parent)
            live.inherited = next((row.checkpoint for row in records if row.epoch == origin.epoch), None)

    def damaged(self, live: LiveTrial) -> Iterator[str]:
        """Mark what a trial cannot go on from, a sentence each: its process may have ended in the middle of a write."""
        while (address := live.resume) is not None and not is_whole(address):
            live.damaged.add(address)
            instead = "goes on from the one before" if live.resume is not None else "begins anew"
            yield f"Trial {live.plan.number} {instead}: the checkpoint {address} is damaged."
