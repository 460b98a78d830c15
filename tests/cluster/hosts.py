"""Several hosts on one machine: network namespaces on one bridge, each with processes, a name and a disk of its own.

Needs root, `ip` of iproute2 and `unshare` of util-linux. Every process of a host ends with the host, by the kernel.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

_INIT = """\
hostname "$0"
ip link set lo up
mount --bind "$1" "$2"
mount --bind "$3" /etc/hosts
mount -t tmpfs tmpfs /dev/shm
exec sleep infinity
"""

_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # a host ends with the process that made it, however that ends
_APART = ("unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")


def missing() -> str | None:
    """What this machine lacks for hosts of its own; None when it lacks nothing."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    lacking = [program for program in ("ip", "nsenter", "setpriv", "unshare") if shutil.which(program) is None]
    if lacking:
        return f"needs {' and '.join(lacking)}: apt-get install iproute2"
    bridge = ("ip", "link", "add", f"gft{os.getpid() % 1000}", "type", "bridge")
    for tried in ((*_APART, *bridge), bridge, ("ip", "link", "delete", bridge[3])):
        done = subprocess.run(tried, capture_output=True, text=True)
        if done.returncode != 0:
            return f"needs namespaces and bridges: {' '.join(tried)}: {done.stderr.strip()}"
    return None


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of its own as far as its processes can tell.

    Attributes:
        name: what `hostname` says there.
        address: in the network; the loopback device is the host's own, so ports never clash.
        init: the process that all others of the host end with.
        disk: a folder that every host has under the same path, with content of its own.
        started: what `start` has begun here.
    """

    name: str
    address: str
    init: subprocess.Popen[bytes]
    disk: Path
    started: list[subprocess.Popen[Any]] = field(default_factory=list)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """A process on this host; `options` are those of Popen."""
        process = subprocess.Popen([*self._entered(os.getcwd()), *command], **options)
        self.started.append(process)
        return process

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on this host to its end, and return what it said."""
        entered = self._entered(options.pop("cwd", os.getcwd()))
        return subprocess.run([*entered, *command], text=True, capture_output=True, **options)

    def kill(self) -> None:
        """As when the plug is pulled: every process is gone at once and says goodbye to nobody."""
        with suppress(OSError):  # it has ended before
            os.kill(_child(self.init.pid), signal.SIGKILL)
        for process in (self.init, *self.started):
            process.wait()

    def _entered(self, folder: str | Path) -> list[str]:
        """What comes before a command that is to run here, in a folder."""
        return ["nsenter", f"--target={_child(self.init.pid)}", "--all", f"--wdns={folder}"]


class Network:
    """A bridge in this process' own network, and the hosts on it, which know each other by name.

    Example:
        >>> with Network() as network:  # doctest: +SKIP
        ...     network.host("head").run(["hostname"]).stdout
        'head\\n'
    """

    def __init__(self) -> None:
        taken = {path.name for path in Path("/sys/class/net").iterdir()}
        self._number = next(n for n in range(1, 250) if f"gfb{n}" not in taken)
        self._bridge = f"gfb{self._number}"
        self.address = self._address(254)
        self.folder = Path(tempfile.mkdtemp(prefix="gfn-"))  # Ray's sockets need short paths
        self._names = self.folder / "names"
        self._names.write_text("127.0.0.1 localhost\n")
        self._hosts: dict[str, Host] = {}
        self._made = 0

    def __enter__(self) -> Self:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("address", "add", f"{self.address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.kill()
        _ip("link", "delete", self._bridge)
        shutil.rmtree(self.folder, ignore_errors=True)

    def host(self, name: str) -> Host:
        """A new host; one of that name that was killed is replaced by another machine."""
        self._made += 1
        mount = self.folder / "disk"
        own = self.folder / f"{name}-{self._made}"
        mount.mkdir(exist_ok=True)
        own.mkdir()
        self.name(name, self._address(self._made))
        begin = ["sh", "-c", _INIT, name, str(own), str(mount), str(self._names)]
        init = subprocess.Popen([*_WITH_US, *_APART, *begin], stderr=subprocess.DEVNULL)  # it complains of its own end
        host = Host(name, self._address(self._made), init, mount)
        self._hosts[name] = host
        wait_until(lambda: _is_up(init.pid), seconds=10, what=f"the host {name}")
        self._plug_in(host)
        return host

    def name(self, name: str, address: str) -> None:
        """Have every host know an address by a name."""
        with self._names.open("a") as names:
            names.write(f"{address} {name}\n")

    def _plug_in(self, host: Host) -> None:
        ours, theirs = f"gfv{self._number}-{self._made}", f"gfe{self._number}-{self._made}"
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
        _ip("link", "set", theirs, "netns", str(_child(host.init.pid)))
        _ip("link", "set", ours, "master", self._bridge, "up")
        for command in (
            ("link", "set", theirs, "name", "eth0"),
            ("address", "add", f"{host.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            host.run(["ip", *command], check=True)

    def _address(self, number: int) -> str:
        return f"10.213.{self._number}.{number}"


def wait_until(ready: Callable[[], object], *, seconds: float, what: str, every: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} is not there after {seconds:g} s"
        time.sleep(every)


def _child(pid: int) -> int:
    """The process that `unshare` has forked: the first one of the host."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0])


def _is_up(pid: int) -> bool:
    try:
        return Path(f"/proc/{_child(pid)}/comm").read_text() == "sleep\n"
    except (OSError, IndexError):
        return False


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
