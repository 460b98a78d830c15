"""What answers as the Jobs API of Ray does, without a cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ray


@dataclass
class JobsApi:
    """A head that takes jobs and runs none.

    Attributes:
        statuses: of each job, by its submission id.
        message: what it says of each of them.
        asked: the paths that were read.
        refuses: why it takes no job; None where it takes each.
    """

    server: ThreadingHTTPServer
    statuses: dict[str, str] = field(default_factory=dict)
    refuses: str | None = None
    message: str = "It was killed."
    logs: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str) -> tuple[int, object]:
        self.asked.append(path)
        if path == "/api/version":
            return 200, {"version": "4", "ray_version": ray.__version__, "ray_commit": ""}
        if path.startswith("/api/packages/"):
            return 200, {}
        job = path.removeprefix("/api/jobs/").removesuffix("/logs")
        if job not in self.statuses:
            return 404, f"Job {job} does not exist"
        if path.endswith("/logs"):
            return 200, {"logs": self.logs}
        facts = {"type": "SUBMISSION", "submission_id": job, "entrypoint": "", "message": self.message}
        return 200, {**facts, "status": self.statuses[job]}

    def post(self, body: dict[str, str]) -> tuple[int, object]:
        if self.refuses is not None:
            return 500, self.refuses
        self.statuses[body["submission_id"]] = "PENDING"
        return 200, {"job_id": body["submission_id"], "submission_id": body["submission_id"]}


@contextmanager
def answering() -> Iterator[JobsApi]:
    """One that listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*found.get(self.path))

        def do_POST(self) -> None:
            self._say(*found.post(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def _say(self, status: int, said: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = JobsApi(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
