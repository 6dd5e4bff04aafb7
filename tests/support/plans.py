"""Requests and amounts of work, for the tests of the plan."""

from pathlib import Path

from suite.experiments.costs.job import Job
from suite.run.request import Request, make_request


def paper(nothing: dict[str, Path], **asked: object) -> Request:
    """A request of the paper profile in the folders of the fixture `nothing`."""
    return make_request(profile="paper", device="cpu", **asked, **nothing)


def amount(job: Job, kind: str) -> float:
    """How many operations of a kind a job does, over its steps and its reading."""
    return sum(
        count for work in (job.steps, job.reading) for operation, count in work.items() if operation.kind == kind
    )
