"""One Ray cluster of three hosts for all tests here, and a laptop that is none of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hosts import Network, missing
from tests.cluster.ray_hosts import RayHosts


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayHosts]:
    """A head and two workers with one core each; a test that ends a host has another one join."""
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    with Network() as network, RayHosts(network) as hosts:
        yield hosts
