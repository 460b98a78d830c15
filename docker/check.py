"""Builds the CPU image with buildah, and runs in it what it is for: the commands, a sweep, a head with a worker.

    make docker-check

Needs root, and Debian's buildah, debootstrap and iproute2. Nothing is pulled: the base is Debian's own Python under the
name that the Dockerfile asks for. pip looks where it looks on this machine. Every container is a host of its own, a
network namespace, without a daemon.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cluster.hosts import Host, Network, missing, wait_until

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "docker"
HOME = "/var/lib/gradfleet"
IMAGE = "gradfleet:cpu"
BASE_PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3"
DIGITS = """\
from pathlib import Path
from PIL import Image
from sklearn.datasets import load_digits

pictures = load_digits()
for number, (pixels, digit) in enumerate(zip(pictures.images[:600], pictures.target)):
    folder = Path("digits", str(digit))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 15).astype("uint8")).save(folder / f"{number}.png")
"""


def say(text: str) -> None:
    sys.stderr.write(f"docker-check: {text}\n")


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own, and chroot as all that keeps a container apart."""

    root: Path
    run_root: Path

    def command(self, verb: str, *arguments: str) -> list[str]:
        places = ["--root", str(self.root), "--runroot", str(self.run_root), "--storage-driver", "overlay"]
        return ["buildah", *places, verb, *arguments]

    def __call__(self, verb: str, *arguments: str) -> str:
        done = subprocess.run(self.command(verb, *arguments), check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def make_base(self) -> None:
        """An image of the name that the Dockerfile begins from, made of Debian packages alone."""
        name = _base_name()
        if subprocess.run(self.command("inspect", name), capture_output=True).returncode == 0:
            return
        say(f"making {name} of {BASE_PACKAGES}")
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            bootstrap = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", folder]
            subprocess.run(bootstrap, check=True, stdout=subprocess.DEVNULL)
            container = self("from", "scratch")
            self("add", "--quiet", container, folder, "/")
        self("commit", "--quiet", "--rm", container, name)

    def build(self) -> None:
        """The image, from the Dockerfile as it is."""
        say(f"building {IMAGE}")
        mounts = [f"--volume={place}:{seen}:ro" for place, seen in _pip_mounts()]
        arguments = ["--isolation=chroot", "--pull-never", "--format=docker", "--layers=false", *mounts]
        subprocess.run(
            self.command("build", *arguments, "--build-arg=CPU_INDEX=", "-f", "docker/Dockerfile", "-t", IMAGE, "."),
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
        )

    @contextmanager
    def container(self, host: Host, *volumes: str) -> Iterator[Container]:
        """A container of the image on a host, as the image's own user."""
        name = self("from", "--pull-never", IMAGE)
        try:
            yield Container(self, name, host, volumes)
        finally:
            self("rm", name)


@dataclass(frozen=True, slots=True)
class Container:
    """Where commands run as they would from the image.

    Attributes:
        host: that it is on, and has the name of: as everywhere, its own name leads to its own address.
        volumes: as `place:seen` of --volume.
    """

    buildah: Buildah
    name: str
    host: Host
    volumes: Sequence[str]

    def command(self, words: Sequence[str], **environment: str) -> list[str]:
        options = ["--isolation=chroot", f"--hostname={self.host.name}", *(f"--volume={one}" for one in self.volumes)]
        options += [f"--env={name}={value}" for name, value in environment.items()]
        return self.buildah.command("run", *options, self.name, "--", *words)


def _base_name() -> str:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    (version,) = re.findall(r"^ARG PYTHON=(.*)$", text, re.M)
    (name,) = re.findall(r"^FROM (\S+) AS build$", text, re.M)
    return f"docker.io/library/{name.replace('${PYTHON}', version)}"


def _pip_mounts() -> Iterator[tuple[str, str]]:
    """pip's configuration on this machine as a file for the build, and every local file and folder that it names.

    Of an index the folder above: its pages may name files beside it.
    """
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed.stdout, re.M))
    file = BUILD / "pip.conf"
    file.write_text("".join(f"{line}\n" for line in ("[global]", *(f"{k} = {v}" for k, v in settings.items()))))
    yield str(file), "/etc/pip.conf"
    words = [word for value in settings.values() for word in value.split()]
    places = {Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word) for word in words}
    for place in sorted(place for place in places if place.is_absolute() and place.exists()):
        yield str(place), str(place)


def _compose_command(service: str) -> list[str]:
    return shlex.split(YAML(typ="safe").load(ROOT / "docker" / "compose.yaml")["services"][service]["command"])


def check_alone(buildah: Buildah, network: Network) -> None:
    """As the image's own user: `gradfleet doctor`, and three trials over handwritten digits."""
    host = network.host("alone")
    with buildah.container(host) as container:

        def run(*words: str) -> str:
            done = host.run(container.command(words))
            if done.returncode != 0:
                raise SystemExit(f"docker-check: {shlex.join(words)[:60]} ended with {done.returncode}\n{done.stderr}")
            return done.stdout

        say(f"it runs as {run('id').strip()} in {run('pwd').strip()}")
        say(f"gradfleet doctor:\n{run('gradfleet', 'doctor')}")
        run("python", "-c", DIGITS)
        run("gradfleet", "fit", "image-classification", "digits", "--trials=3", "--epochs=2", "--name=digits")
        shown = json.loads(run("gradfleet", "sweep", "show", "digits", "--json"))
        say(f"a sweep of three trials is {shown['state']}, its best value {shown['best']:.3f}")
        assert shown["state"] == "completed", shown
    host.kill()


def check_cluster(buildah: Buildah, network: Network) -> None:
    """A head and a worker by the commands of the compose file, and a sweep that is sent to them from a third host."""
    shared, token = BUILD / "shared", BUILD / "ray-token"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir()
    os.chown(shared, 1000, 1000)
    token.write_text(secrets.token_hex(20))
    volumes = (f"{shared}:{HOME}", f"{token}:/run/secrets/ray-token:ro")
    with (
        buildah.container(network.host("head"), *volumes) as head,
        buildah.container(network.host("worker"), *volumes) as worker,
        buildah.container(network.host("client"), *volumes) as client,
    ):

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return client.host.run(client.command(words, RAY_AUTH_TOKEN_PATH="/run/secrets/ray-token"))

        address = "http://head:8265"
        keep_head = _kept(head, "head")
        _wait_for(
            lambda: run("ray", "job", "list", "--address", address).returncode == 0,
            keep_head,
            what="the cluster's head",
        )
        keep_worker = _kept(worker, "worker")
        _wait_for(lambda: "worker" in run("python", "-c", NODES).stdout, keep_worker, what="a worker of the cluster")
        (shared / "recipes.py").write_text(_recipe())
        (shared / "sweep.yaml").write_text(SWEEP)
        for words in (("submit", "sweep.yaml", f"cluster={address}"), ("wait", "sent", "--timeout=5m")):
            done = run("gradfleet", "sweep", *words)
            if done.returncode != 0:
                raise SystemExit(f"docker-check: sweep {words[0]} ended with {done.returncode}\n{done.stderr}")
        shown: dict[str, Any] = json.loads(run("gradfleet", "sweep", "show", "sent", "--json").stdout)
        say(f"a sweep sent to a head and a worker is {shown['state']}")
        assert shown["state"] == "completed", shown


def _recipe() -> str:
    """The one of the page on sweep files."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.S)[0]


def _kept(container: Container, service: str) -> Callable[[], None]:
    """Start a service of the compose file; what is returned starts it again if it has ended, as `restart` there says.

    Ray gives up when its own processes need longer than half a minute, as on a machine under load.
    """
    words = container.command(_compose_command(service), RAY_AUTH_TOKEN_PATH="/run/secrets/ray-token")
    running: list[subprocess.Popen[Any]] = []

    def keep() -> None:
        if not running or running[-1].poll() is not None:
            with (BUILD / f"{service}.log").open("ab") as log:
                running.append(container.host.start(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    keep()
    return keep


def _wait_for(ready: Callable[[], bool], keep: Callable[[], None], *, what: str) -> None:
    def is_there() -> bool:
        keep()
        return ready()

    wait_until(is_there, seconds=600, every=5, what=what)


NODES = """\
import json, urllib.request
token = open("/run/secrets/ray-token").read()
asked = urllib.request.Request("http://head:8265/nodes?view=summary", headers={"Authorization": f"Bearer {token}"})
print([node["hostname"] for node in json.load(urllib.request.urlopen(asked))["data"]["summary"]])
"""

SWEEP = """\
version: 1
name: sent
recipe: recipes:parabola
search: {trials: 3, scheduler: none}
store: gradfleet.db
"""


def _lacking() -> str | None:
    programs = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    return f"needs {' and '.join(programs)}: apt-get install {' '.join(programs)}" if programs else missing()


def main() -> None:
    if lacking := _lacking():
        raise SystemExit(f"docker-check: {lacking}")
    BUILD.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gfb-") as run_root, Network() as network:
        buildah = Buildah(BUILD / "storage", Path(run_root))
        buildah.make_base()
        buildah.build()
        say(f"built after {time.monotonic() - started:.0f} s")
        check_alone(buildah, network)
        check_cluster(buildah, network)
    say(f"passed after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
