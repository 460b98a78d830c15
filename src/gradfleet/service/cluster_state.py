"""How the cluster is, as pages show it: a cluster that is away takes seconds to say so, and no page waits for that."""

from __future__ import annotations

import threading
import time

from gradfleet.service import readiness
from gradfleet.service.service import Service

_AGAIN_AFTER = 10.0  # seconds


class ClusterState:
    """What was found last; looked at anew in a thread of its own while somebody asks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._said = "not looked at yet"
        self._looked = -_AGAIN_AFTER
        self._looking = threading.Lock()

    @property
    def address(self) -> str | None:
        """Of a cluster that was there before; None where sweeps run on this machine."""
        return self._service.settings.cluster

    @property
    def is_away(self) -> bool:
        """Whether what `get` said last is a problem."""
        return self._said not in ("ok", "local", *readiness.AT_REST)

    def get(self) -> str:
        """As `readiness.cluster`, or that nobody has looked yet."""
        if self._is_mine_to_look():
            threading.Thread(target=self._look, name="cluster state", daemon=True).start()
        return self._said

    def now(self) -> str:
        """The same, and who asks first waits for it: of many who ask a cluster that is away, one keeps a thread."""
        if self._is_mine_to_look():
            self._look()
        return self._said

    def _is_mine_to_look(self) -> bool:
        return time.monotonic() - self._looked > _AGAIN_AFTER and self._looking.acquire(blocking=False)

    def _look(self) -> None:
        try:
            self._said = readiness.cluster(self._service)
            self._looked = time.monotonic()
        finally:
            self._looking.release()
