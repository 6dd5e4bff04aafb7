"""The image's health check: good, and bad where the weights are missing."""

import time
from typing import Any

from tests.support.docker_daemon import Daemon

SECOND_NS = 10**9
TIMEOUT_S = 300


def health(daemon: Daemon, image: str, healthcheck: dict[str, int], **options: Any) -> str:
    """Start a container, and return how it is once its check has answered."""
    container = daemon.client.containers.run(
        image, ["300"], entrypoint="sleep", detach=True, network_mode="none", healthcheck=healthcheck, **options
    )
    try:
        end = time.monotonic() + TIMEOUT_S
        container.reload()  # what was told when it was made knows no health
        while container.health == "starting" and time.monotonic() < end:
            time.sleep(0.5)
            container.reload()
        return container.health
    finally:
        container.remove(force=True)


def test_a_container_with_its_weights_is_healthy(daemon: Daemon, image: str) -> None:
    assert health(daemon, image, {"interval": SECOND_NS}) == "healthy"


def test_a_container_without_its_weights_is_unhealthy(daemon: Daemon, image: str) -> None:
    # a start period of 0 would leave the image's 120 s, in which nothing is unhealthy yet
    check = {"interval": SECOND_NS, "start_period": SECOND_NS // 1000}
    assert health(daemon, image, check, tmpfs={"/suite/suite/mini/weights": ""}) == "unhealthy"
