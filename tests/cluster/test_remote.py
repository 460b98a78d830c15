"""Sweeps that are sent to a cluster from a laptop: they go on without it, and are found again."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gradfleet import Study
from tests.cluster.hosts import wait_until
from tests.cluster.laptop import write_project
from tests.cluster.ray_hosts import RayHosts

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NAMES = ("gang-a", "gang-b", "alone")
CLI = ("-c", "from gradfleet.cli.main import main; main()")


class Laptop:
    """The project on the laptop, and the programs that are run there."""

    def __init__(self, cluster: RayHosts) -> None:
        self._cluster = cluster
        self.folder = write_project(cluster.shared / "project", shared=cluster.shared)

    def run(self, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
        environment = self._environment(**values)
        return self._cluster.laptop.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, timeout=300, stdin=subprocess.DEVNULL
        )

    def start(self, *arguments: str) -> subprocess.Popen[Any]:
        command = ["env", f"--chdir={self.folder}", sys.executable, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return self._cluster.laptop.start(command, env=self._environment(), **pipes)

    def gradfleet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*CLI, *arguments)

    def _environment(self, **values: str) -> Any:
        places = {"SHARED": str(self._cluster.shared), "DISK": str(self._cluster.laptop.disk)}
        return self._cluster.environment(CLUSTER=self._cluster.address, **{**places, **values})


@pytest.fixture(scope="module")
def laptop(cluster: RayHosts) -> Laptop:
    return Laptop(cluster)


ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")


def jobs_of(cluster: RayHosts, study: str) -> list[dict[str, Any]]:
    return [job for job in cluster.get("/api/jobs/") if (job["metadata"] or {}).get("study") == study]


@pytest.mark.row("DI4")
@pytest.mark.row("DI5")
def test_a_sweep_goes_on_when_its_laptop_is_gone_and_is_found_by_its_name(cluster: RayHosts, laptop: Laptop) -> None:
    """The script kills itself once it has a handle; run again, it finds the job that is there."""
    for _ in range(2):
        ended = laptop.run("networks.py")
        assert ended.returncode == -9, ended.stderr
    study = Study.attach("networks", store=cluster.shared / "gradfleet.db", trust_recipe=True).wait(timeout=240)
    assert len(jobs_of(cluster, "networks")) == 1
    assert study.state == "completed"
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 8
    assert {path.name for path in cluster.shared.glob("built-on-*")} >= {"built-on-one", "built-on-two"}
    assert Path(study.best.checkpoint or "").is_dir()
    assert "until 8 trials" in study.logs()
    shown = laptop.gradfleet("sweep", "logs", "networks", "--store", f"{cluster.shared}/gradfleet.db")
    assert "until 8 trials" in shown.stdout


@pytest.mark.long
@pytest.mark.row("DI4")
def test_a_host_is_lost_another_joins_the_driver_dies_and_every_trial_ends_once(
    cluster: RayHosts, laptop: Laptop
) -> None:
    hold = cluster.shared / "hold"
    hold.touch()
    sent = laptop.gradfleet("sweep", "submit", "lost.yaml", "--cluster", cluster.address)
    assert sent.returncode == 0, sent.stderr
    study = Study.attach("epochs", store=laptop.folder / "gradfleet.db")
    log = cluster.shared / "epochs.txt"
    wait_until(lambda: log.exists() and " two" in log.read_text(), seconds=300, what="a trial on the host two")
    cluster.hosts["two"].kill()
    cluster.join("three")
    joined = cluster.shared / "trained-on-three"
    wait_until(joined.exists, seconds=300, what="a trial on the host that has joined")

    (job,) = jobs_of(cluster, "epochs")
    cluster.hosts["head"].run(["kill", "-9", job["driver_info"]["pid"]], check=True)
    wait_until(lambda: jobs_of(cluster, "epochs")[0]["status"] == "FAILED", seconds=60, what="the end of the job")
    hold.unlink()
    again = laptop.gradfleet("sweep", "retry", "epochs")
    assert again.returncode == 0, again.stderr
    study.wait(timeout=240)
    assert len(jobs_of(cluster, "epochs")) == 2
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 10
    assert [[one.epoch for one in study.history(number)] for number in range(10)] == [[1, 2, 3, 4, 5]] * 10
    trained = Counter(tuple(line.split()[:2]) for line in log.read_text().splitlines())
    assert max(trained.values()) <= 3, "an epoch is trained again for each death of its worker at most"
    assert sum(trained.values()) <= 10 * 5 + 4, "what is lost is one epoch of each trial that ran"


@pytest.mark.long
@pytest.mark.row_part("DI7")
def test_two_gangs_that_wait_for_the_same_two_hosts_both_finish_with_the_metrics_of_one_process(
    cluster: RayHosts, laptop: Laptop
) -> None:
    """Each host has one free core, so a trial of two processes spans both, and only one gang runs at a time."""
    ended = laptop.run("gangs.py")
    assert ended.returncode == 0, ended.stderr
    first, second, alone = (Study.attach(name, store=cluster.shared / "gangs.db") for name in NAMES)
    for study in (first.wait(timeout=300), second.wait(timeout=300)):
        assert (study.state, [trial.state for trial in study.trials]) == ("completed", ["COMPLETE"] * 2)
        for number in range(2):
            one, together = alone.trial(number), study.trial(number)
            assert together.metrics["val_loss"] == pytest.approx(one.metrics["val_loss"], rel=1e-4)
            assert together.metrics["val_accuracy"] == one.metrics["val_accuracy"]
            files, files_of_one = (
                {path.name for path in Path(trial.checkpoint or "").iterdir()} for trial in (together, one)
            )
            assert files == files_of_one - {"held_out.safetensors"}, "no process of a gang sees all validation rows"
    places = {path.name.split("-on-")[1] for path in cluster.shared.glob("rank-[01]-on-*")}
    assert len(places) == 2, "the two processes of a gang are on two hosts"


def test_what_the_cluster_cannot_see_is_said_with_what_to_pass_instead(cluster: RayHosts, laptop: Laptop) -> None:
    (cluster.network.folder / "laptop-1" / "licence").write_text("0.5")
    cases = {case: laptop.start("bad.py", case) for case in ("store", "artifacts", "import")}
    said = {case: process.communicate(timeout=240)[1] for case, process in cases.items()}
    assert (
        f"The driver on head finds no study 'store' at sqlite:///{cluster.laptop.disk}/gradfleet.db: that is another "
        "place there. Pass store= with a place that all hosts of the cluster share"
    ) in said["store"]
    seen = f"The driver on head does not see what was put at {cluster.laptop.disk}/artifacts when the sweep was sent"
    assert seen in said["artifacts"]
    assert "Pass artifacts= with a place that all hosts of the cluster share" in said["artifacts"]
    assert "The recipe does not import on the cluster (head)." in said["import"]
    assert "licensed.py" in said["import"]
    assert "FileNotFoundError" in said["import"]


@pytest.mark.parametrize("address", ["http://{head}:8265", "ray://{head}:10001"])
@pytest.mark.parametrize(
    ("token", "wrong"),
    [("", "asks for a token, and none was found in"), ("x" * 40, "refuses the token that was found in")],
)
def test_a_token_that_is_missing_or_wrong_is_one_line_and_exit_code_4(
    cluster: RayHosts, laptop: Laptop, address: str, token: str, wrong: str
) -> None:
    address = address.format(head=cluster.hosts["head"].address)
    ended = laptop.run(
        *(*CLI, "sweep", "submit", "lost.yaml", "name=refused", "--cluster", address),
        RAY_AUTH_TOKEN=token,
        HOME=str(laptop.folder),
    )
    assert (ended.returncode, ended.stderr) == (
        4,
        f"Error: The cluster at {address} {wrong} RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token.\n",
    )


@pytest.mark.parametrize("token", ["", "x" * 40])
def test_a_host_of_the_cluster_without_its_token_is_told_so_at_once_with_exit_code_4(
    cluster: RayHosts, laptop: Laptop, token: str
) -> None:
    head = cluster.hosts["head"]
    place = f"{head.address}:6379"
    ended = head.run(
        [sys.executable, *CLI, "sweep", "run", "lost.yaml", "name=refused", "cluster=auto"],
        cwd=laptop.folder,
        env=cluster.environment(RAY_ADDRESS=place, RAY_AUTH_TOKEN=token, HOME=str(laptop.folder)),
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (
        4,
        f"Error: The cluster at {place} asks for a token, and what this process sends is none of its own: set "
        "RAY_AUTH_MODE=token, and the token in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token.\n",
    )


def test_the_address_of_ray_client_leads_to_the_dashboard_and_the_sweep_is_sent_there(
    cluster: RayHosts, laptop: Laptop
) -> None:
    """The client's process has gone before the first trial; a sweep that it carried would end with it."""
    client = f"ray://{cluster.hosts['head'].address}:10001"
    once = ("name=by-client", "search.trials=1", "search.epochs=1")
    sent = laptop.gradfleet("sweep", "submit", "lost.yaml", *once, "--cluster", client)
    assert sent.returncode == 0, sent.stderr
    (job,) = jobs_of(cluster, "by-client")
    assert job["type"] == "SUBMISSION"
    study = Study.attach("by-client", store=laptop.folder / "gradfleet.db").wait(timeout=240)
    assert (study.state, len(study.trials)) == ("completed", 1)
    assert study.page == f"{cluster.address}/#/jobs/{job['submission_id']}"


@pytest.mark.long
def test_the_commands_of_the_page_run_in_their_order(laptop: Laptop) -> None:
    (sweep,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (laptop.folder / "sweep.yaml").write_text(sweep)
    commands = re.findall(r"^\$ gradfleet (.*)$", PAGE, flags=re.MULTILINE)
    assert commands
    for command in commands:
        ended = laptop.gradfleet(*shlex.split(command))
        assert ended.returncode == 0, (command, ended.stderr)
        assert ended.stdout != "", command


@pytest.mark.long
@pytest.mark.row("DI5")
def test_the_notebook_sends_its_cells_away_and_another_kernel_gets_the_best_model(
    cluster: RayHosts, laptop: Laptop
) -> None:
    ended = laptop.run("-m", "tests.cluster.notebook", str(EXAMPLES / "notebook_to_cluster.ipynb"))
    assert ended.returncode == 0, ended.stderr
    handle, attached, evaluated = (output["data"] for output in json.loads(ended.stdout) if "data" in output)
    assert "from-a-notebook" in "".join(handle["text/html"])
    assert "completed" in "".join(attached["text/html"]), "its cell has followed the sweep to its end"
    assert '<a href="http://head:8265/#/jobs/' in "".join(attached["text/html"]), "as the notebook calls the cluster"
    assert "accuracy" in "".join(evaluated["text/plain"])
    best = Study.attach("from-a-notebook", store=laptop.folder / "gradfleet.db").best
    assert best.value > 0.8
