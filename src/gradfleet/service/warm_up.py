"""The warm-up: what runs is read when the service starts, so that whoever looks at it first does not wait for that."""

from __future__ import annotations

import logging
import threading

from gradfleet.errors import GradfleetError
from gradfleet.service.service import Service
from gradfleet.study.storage.rows import ENDED

_MOST = 8  # sweeps, the newest; the service keeps a few more in memory
_log = logging.getLogger("gradfleet.service")


class WarmUp:
    """A thread that reads the boards of sweeps that have not ended, and then ends itself."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.run, name="warm-up", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Read no other sweep."""
        self._ended.set()
        self._thread.join()

    def run(self) -> None:
        try:
            running = [row for row in self._service.store.studies() if row.state not in ENDED]
            for row in running[::-1][:_MOST]:
                if self._ended.is_set():
                    return
                self._service.study_of(row).standings()
        except GradfleetError as error:  # such as a store that is away: whoever asks is told
            _log.warning("Nothing was read ahead: %s", error)
