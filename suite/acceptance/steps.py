"""Steps of an acceptance, in order; those that say most about a card come first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from suite.acceptance import cards, images, numerics, rates, study
from suite.acceptance.site import Answer, Site


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: of it, as the page says.
        run: does it; its docstring's first line says what is tried.
    """

    name: str
    run: Callable[[Site], Answer]

    @property
    def question(self) -> str:
        """The first line on it."""
        return (self.run.__doc__ or "").partition("\n")[0]


STEPS = (
    Step("environment and driver", cards.environment),
    Step("container", cards.container),
    Step("kernel against the plain loss", numerics.kernel),
    Step("precision against float64", numerics.precision),
    Step("determinism", numerics.repeated),
    Step("JPEG decoding", images.decoding),
    Step("stream and prefetch", images.stream),
    Step("segmentation crops ahead", images.crops),
    Step("leases", cards.leases),
    Step("NCCL", cards.nccl),
    Step("out of memory", cards.out_of_memory),
    Step("mini study on the GPU", study.on_device),
    Step("mini study on the CPU", study.on_cpu),
    Step("mini study on the GPU again", study.on_device_again),
    Step("plan against actual", study.plan_against_actual),
    Step("two cards for each probe", study.on_two_cards),
    Step("throughput", rates.throughput),
)
