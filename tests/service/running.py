"""The real service in a process of its own, killed and begun again, and what its sweeps train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SERVE = "from gradfleet.cli.main import main; main()"

RECIPE = """\
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from gradfleet import AutoModel, Float, Objective

FOLDER = Path("@FOLDER")

def train(config, report):
    came_from = report.resume()
    done = 0 if came_from is None else int((came_from / "epoch.txt").read_text())
    for epoch in range(done + 1, 4):
        time.sleep(@SECONDS)
        with (FOLDER / "epochs.txt").open("a") as log:
            log.write(f"{config['x']!r} {epoch}\\n")
        with TemporaryDirectory() as kept:
            Path(kept, "epoch.txt").write_text(str(epoch))
            report({"score": config["x"] * epoch}, epoch=epoch, checkpoint=kept)

def slow():
    return AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
"""
"""Three epochs a trial, each of them noted in a file by the trial's configuration."""


def write_recipe(folder: Path, *, seconds: float) -> None:
    """The module `slow_sweeps` in a folder, and its log there; `seconds` an epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    text = RECIPE.replace("@FOLDER", str(folder)).replace("@SECONDS", str(seconds))
    (folder / "slow_sweeps.py").write_text(text)
    (folder / "epochs.txt").touch()


def spec(name: str, *, trials: int, seed: int) -> dict[str, Any]:
    search = {"trials": trials, "epochs": 3, "scheduler": "none", "sampler": "random", "seed": seed}
    return {"version": 1, "name": name, "recipe": "slow_sweeps:slow", "search": search}


def trained(folder: Path) -> Counter[tuple[str, str]]:
    """How often each epoch of each configuration was trained."""
    lines = (folder / "epochs.txt").read_text().splitlines()
    return Counter((x, epoch) for x, epoch in map(str.split, lines))


class Running:
    """A service over a store, in a folder that has `slow_sweeps.py`.

    Args:
        options: of `gradfleet serve`, beside those that every test needs.
        environment: of the process; this one's when not given.
        start: begins a process, with the arguments of Popen.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
    ) -> None:
        self.folder = folder
        self._options = ("--port", "0", "--data", str(folder / "data"), "--allow-recipe", "slow_sweeps:slow", *options)
        self._environment = {**(os.environ if environment is None else environment), "PYTHONPATH": str(folder)}
        self._start = start
        self.begin()

    def begin(self) -> None:
        """Start it, and return when it listens."""
        with (self.folder / "service.log").open("ab") as log:
            self.process = self._start(
                ["env", f"--chdir={self.folder}", sys.executable, "-c", SERVE, "serve", *self._options],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("gradfleet is at "), (self.folder / "service.log").read_text()
        self.address = line.split()[3].rstrip(",")
        self._token = self.process.stdout.readline().split()[1]

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def ask(self, path: str, body: Any = None) -> Any:
        """What it answers, as JSON; see `text`."""
        return json.loads(self.text(path, body))

    def ask_until_it_answers(self, path: str, body: Any) -> Any:
        """As a client does whose service may be killed at any moment."""
        while True:
            try:
                return self.ask(path, body)
            except urllib.error.HTTPError:
                raise
            except OSError:
                time.sleep(0.1)

    def text(self, path: str, body: Any = None) -> str:
        """What it answers to a GET, or to a POST of a body.

        Raises:
            OSError: it does not answer, or with an error.
        """
        request = urllib.request.Request(
            self.address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text: str = answer.read().decode()
            return text

    def wait_for(self, name: str, *states: str, seconds: float) -> dict[str, Any]:
        """A sweep once it is in one of these states."""
        deadline = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.ask(f"/v1/sweeps/{name}")
            if found["state"] in states:
                return found
            assert time.monotonic() < deadline, (found, self.text(f"/v1/sweeps/{name}/logs"))
            time.sleep(0.5)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=30)


def check_sweep(service: Running, name: str, *, trials: int) -> list[str]:
    """Every trial is there once, complete, with each of its epochs once; their configurations."""
    found = service.ask(f"/v1/sweeps/{name}/trials?limit=500")["items"]
    assert [(one["trial"], one["state"], one["epochs"]) for one in found] == [(n, "COMPLETE", 3) for n in range(trials)]
    for number in range(trials):
        records = service.ask(f"/v1/sweeps/{name}/trials/{number}/records")
        assert [one["epoch"] for one in records] == [1, 2, 3]
    return [repr(one["config"]["x"]) for one in found]
