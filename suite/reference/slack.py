"""Drift of a seed's value from machine to machine, `expected/machine_slack.toml`: measured, never guessed.

    [measured]
    how = "..."                                 # which machines, threads, switches, versions
    date = "2026-01-31"
    commit = "0123abc"
    [part_classification.accuracy]              # one table per trained experiment and metric
    points = 0.15                               # per cent points
    reason = "..."
    [part_classification.accuracy.apart.cub200.attentive]
    random_init = 0.95                          # cells that move further than the others: each has its own

`make record` writes each of them into the references of its experiment, where a run is held against it.
"""

from __future__ import annotations

from pathlib import Path

from suite.cells import CellId
from suite.core.schema import read_toml
from suite.errors import ExpectedError
from suite.protocol.profiles import load_profile

FILE = "machine_slack.toml"
Slack = dict[tuple[str, str] | CellId, float]
"""Slack by (experiment, metric), and by cell for those that have their own."""


def load_slack(root: Path) -> Slack:
    """Load the points by which the value of a recorded seed may move on another machine.

    Raises:
        ExpectedError: the file cannot be read or breaks its schema, or names what the mini profile does not measure;
            the message names the key.
    """
    top = read_toml(root / FILE)
    origin = top.child("measured")
    for key in ("how", "date", "commit"):
        origin.take(key, "a text")
    origin.end()
    experiments = load_profile("mini").experiments
    slack: Slack = {}
    for experiment, section in top.children():
        if experiment not in experiments:
            raise top.error(experiment, f"unknown experiment: expected one of {', '.join(experiments)}")
        for metric, node in section.children():
            if metric not in experiments[experiment].metrics:
                metric_names = ", ".join(experiments[experiment].metrics)
                raise section.error(metric, f"unknown metric: expected one of {metric_names}")
            slack[experiment, metric] = node.take("points", "a number >= 0")
            node.take("reason", "a text")
            for (dataset, setting, method), column in node.child("apart").leaves(2):
                cell = CellId(experiment, dataset, method, setting, metric)
                slack[cell] = column.take(method, "a number >= 0")
            node.end()
    return slack


def slack_of(slack: Slack, experiment: str, metric: str) -> float:
    """Return the points of one metric of a trained experiment.

    Raises:
        ExpectedError: nobody has measured them.
    """
    if (experiment, metric) not in slack:
        raise ExpectedError(
            f"expected/{FILE}: {experiment}.{metric}: missing: expected points and reason for every trained metric; "
            "measure how far its values move from machine to machine"
        )
    return slack[experiment, metric]
