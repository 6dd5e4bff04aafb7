"""Step on speed: units a second of everything that a run spends its time on."""

from __future__ import annotations

import torch

from suite.acceptance.site import Answer, Site, verdict
from suite.core.processors import usable_processors
from suite.experiments.costs.job import Operation
from suite.plan.calibrate import calibrate, timed
from suite.plan.forecast import forecast
from suite.plan.rates import Rates
from suite.run.request import make_request

BUDGET_S = 150.0


def throughput(site: Site) -> Answer:
    """Time every kind of work of the paper profile, on random numbers and pictures, and the largest matrix product."""
    request = make_request(profile="paper" if site.is_gpu else "mini", device=site.device, cache=site.folder / "rates")
    plan = forecast(request, digests=False)
    operations = [*plan.operations(), *([] if site.is_gpu else [Operation("match")])]
    rates = Rates(site.folder / "rates.json")
    budget = max(1.0, min(BUDGET_S if site.is_gpu else 5.0, site.seconds_left))
    calibrate(rates, operations, plan.shapes, device=site.device, threads=usable_processors(), budget_s=budget)
    measured = {name: seconds for name, seconds in rates.seconds.items() if name not in rates.derived}
    product = product_flops(site.device, (4096, 8192, 16384) if site.is_gpu else (256,))
    kinds = sorted({name.partition(" ")[0] for name in measured})
    return verdict(
        bool(measured) and all(seconds > 0 for seconds in measured.values()),
        f"{len(measured)} of {len(operations)} operations timed ({', '.join(kinds)}); bfloat16 product "
        f"{product / 1e12:.1f} TFLOPS",
        units_per_second={name: round(1 / seconds, 3) for name, seconds in sorted(measured.items())},
        bf16_product_tflops=round(product / 1e12, 2),
    )


def product_flops(device: str, sides: tuple[int, ...]) -> float:
    """Return operations a second of the quickest of some bfloat16 products, two for each multiply-accumulate."""
    rates = []
    for n in sides:
        a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
        rates.append(2 * n**3 * 5 / timed(lambda a=a, b=b: [a @ b for _ in range(5)], share_s=5.0, device=device))  # type: ignore[misc]
    return max(rates)
