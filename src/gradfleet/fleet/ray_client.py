"""The dashboard of a cluster whose Ray Client address is known; nothing but this question goes through the client.

Ray Client ends what it carries half a minute after its process has gone, so no sweep goes that way.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import lru_cache
from urllib.parse import urlsplit

from gradfleet.errors import ClusterError
from gradfleet.fleet.cluster_token import missing_token, refused_token

_ANSWERS_WITHIN = 10.0  # seconds; to a first knock
_SAYS_WITHIN = 60.0  # seconds; the head starts a process for each client
_PORT = 10001
_DASHBOARD = "Pass the address of its dashboard instead, such as cluster='http://head:8265'."
_SAID = "dashboard: "
_REFUSED = 77
_TRIES = 5
"""Some of the processes that Ray forks on the head, one for each client, are dead at once.

It forks while threads of gRPC run, see https://github.com/ray-project/ray/issues/63202; what a client hears differs.
"""


@lru_cache(maxsize=8)
def dashboard(address: str, token: str | None) -> str:
    """Where the Jobs API of a cluster is: the port that the cluster names, on the host that the caller has named.

    The cluster's own word for that host may be an address that is known only inside.

    Args:
        address: such as ray://head:10001.

    Raises:
        ClusterError: nothing answers there, or nothing that has a dashboard; what to pass instead is in the message.
        AccessError: it asks for a token that there is not, or refuses the one that there is.
    """
    _knock(address)
    port = urlsplit(f"//{_asked(address, token)}").port
    if port is None:
        raise ClusterError(f"The cluster at {address} names no dashboard, through which sweeps are sent. {_DASHBOARD}")
    host = urlsplit(address).hostname or ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _knock(address: str) -> None:
    """Ray's client itself tries for half a minute."""
    try:
        socket.create_connection(_place(address), timeout=_ANSWERS_WITHIN).close()
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Ray cluster answers at {address} ({error}). {_DASHBOARD}") from error


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or _PORT


def _asked(address: str, token: str | None) -> str:
    """What the cluster says, to a process of its own: a client takes over the Ray of its whole process."""
    # Other versions are refused later, with both of them in the message.
    environment = {**os.environ, "RAY_IGNORE_VERSION_MISMATCH": "1", "RAY_AUTH_MODE": "disabled"}
    if token is not None:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    command = [sys.executable, "-m", __name__, address]
    for _ in range(_TRIES):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SAYS_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"What answers at {address} is no Ray Client server. {_DASHBOARD}") from error
        if done.returncode in (0, _REFUSED):
            break
    if done.returncode == 0:
        return done.stdout.rpartition(_SAID)[2].strip()
    if done.returncode == _REFUSED:
        raise missing_token(address) if token is None else refused_token(address)
    why = done.stderr.strip().rpartition("\n")[2]
    raise ClusterError(f"The cluster at {address} does not say where its dashboard is ({why}). {_DASHBOARD}")


def main() -> None:
    """Ask the cluster at the address that is the only argument."""
    import ray

    host, port = _place(sys.argv[1])
    if is_refused(f"{host}:{port}", "/ray.rpc.RayletDriver/ClusterInfo"):
        sys.exit(_REFUSED)
    with ray.init(sys.argv[1]) as found:
        sys.stdout.write(f"{_SAID}{found.dashboard_url or ''}\n")


def is_refused(place: str, method: str) -> bool:
    """Whether a server of Ray's does not take this process's token; Ray takes that for one that is not ready yet.

    Args:
        place: its host and port.
        method: of it, by full name.
    """
    from ray._private.grpc_utils import init_grpc_channel  # private, but it knows of Ray's tokens and TLS
    from ray.exceptions import AuthenticationError

    with init_grpc_channel(place) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=_ANSWERS_WITHIN)
        except AuthenticationError:  # there is no token to send
            return True
        except Exception as error:  # of gRPC, which is Ray's to import
            return "StatusCode.UNAUTHENTICATED" in str(error)
    return False


if __name__ == "__main__":
    main()
