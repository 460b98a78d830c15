"""A user's script: it needs no guard, and a sweep leaves nothing behind but its study."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

# One trial kills its worker, and one raises: Ray has much to say about both.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from gradfleet import AutoModel, Float, Objective, Tuner

def train(config, report):
    print("a trial prints")
    print("and complains", file=sys.stderr)
    killed = Path("killed")
    if config["learning_rate"] > 0.5 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if config["learning_rate"] > 0.85:
        raise ValueError("too large")
    report({"score": config["learning_rate"]})

def surroundings():
    return os.getcwd(), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)]

tuner = Tuner()
tuner.add("learning_rate", Float(0.0, 1.0))
model = AutoModel.from_function(train, tuner, Objective("score", "max"))
before, environment = surroundings(), dict(os.environ)
study = model.fit(trials=8, epochs=1, sampler="random", seed=1, name="script")
assert surroundings() == before
new = {name for name, value in os.environ.items() if environment.get(name) != value}
assert new <= {"PYTHONBREAKPOINT", "RAY_AUTH_MODE", "RAY_CLIENT_MODE", "RAY_USAGE_STATS_ENABLED"}, new  # Ray's own
assert Path("killed").exists()
print(sorted({trial.state for trial in study.trials}), study.state)
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The script's own folder for temporary files; short, because Ray puts sockets there."""
    with tempfile.TemporaryDirectory(prefix="gf-") as folder:
        yield Path(folder)


def test_a_script_without_a_guard_shows_progress_on_stderr_only_and_leaves_only_its_study(
    tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "script.py"],
        cwd=tmp_path,
        env={**environment, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "['COMPLETE', 'FAIL'] completed\n"), done.stderr

    first, *lines, ended, causes = done.stderr.splitlines()
    assert first.startswith("Study 'script' in sqlite:///")
    assert ended.startswith("The sweep ended. Best: trial ")
    assert causes == "1 of 8 trials failed: ValueError: too large (1)."
    assert all(line.startswith(("script: ", "Trial ", "Forecast: ")) for line in lines), done.stderr
    assert any("failed: ValueError: too large" in line for line in lines)

    assert list(temporary.iterdir()) == []
    left = {path.name for path in tmp_path.iterdir()} - {"gradfleet.db-shm", "gradfleet.db-wal"}
    assert left == {"gradfleet-artifacts", "gradfleet.db", "killed", "script.py"}
