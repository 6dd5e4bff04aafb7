"""Write `plan_example.json`: counts, a calibration and the durations of one run of the mini study, all of one machine.

    python -m tests.support.plan_example

`test_the_model_agrees_with_a_measured_run` holds the plan's arithmetic against it. Measure on a machine with nothing
else to do: it takes three minutes, and the run has to be of the same minutes as the calibration.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from suite.core.processors import usable_processors
from suite.plan.calibrate import calibrate_forecast
from suite.plan.counts import splits_of
from suite.plan.forecast import forecast
from suite.plan.rates import device_name
from suite.reproduction.measure import measure
from suite.results.store import Store
from suite.run.request import make_request

EXAMPLE = Path(__file__).parent / "plan_example.json"
ENCODER = "mae"


def main() -> None:
    """Plan, run, write."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name for name in ("cache", "run")}
        request = make_request(encoders=[ENCODER], device="cpu", **places)
        estimate = forecast(request)
        calibrate_forecast(estimate, anew=True)
        measure(request)
        store = Store(request.run)
        tasks = [(task, store.load(request.key(*task))) for task in request.tasks()]
    example = {
        "what": f"mini profile, encoder {ENCODER}: by python -m tests.support.plan_example",
        "machine": f"{device_name('cpu', 1)}, {usable_processors()} processes, {datetime.now(UTC):%Y-%m-%d}",
        "rates": {text: float(f"{seconds:.4g}") for text, seconds in sorted(estimate.rates.seconds.items())},
        "splits": {
            f"{experiment.name}/{dataset}": {
                name: asdict(split) for name, split in (splits_of(request, experiment, dataset) or {}).items()
            }
            for (experiment, dataset, _), _ in tasks
        },
        "taken": {str(result.key): result.facts["seconds"] for _, result in tasks if result},
    }
    EXAMPLE.write_text(json.dumps(example, indent=1) + "\n")
    print(f"{EXAMPLE}: {len(example['taken'])} trials")


if __name__ == "__main__":
    main()
