"""The paper's claims (`expected/claims.toml`), held against what was measured in the run folder, after everything else.

A claim passes if it comes out as in the paper's own tables, which bear some of them out and others not. One that comes
out otherwise is an expected failure, and a failure with `--claims=gate`; one whose cells lack, or that this profile
cannot test, is skipped. None of them decides whether the experiments ran.
"""

from __future__ import annotations

import pytest

from suite.judge.claims import Claim, judge_claims
from suite.judge.entries import claim_entry, claim_outcome
from suite.judge.testable import untestable_reasons
from suite.reference.select import references
from suite.results.store import Store
from suite.run.request import Request


def test_claims(claim: Claim, asked: Request) -> None:
    """Check one claim."""
    methods = {asked.key(*task).method for task in asked.tasks()}
    results = [result for result in Store(asked.run).results() if result.key.method in methods]
    values = {m.id: m.mean for result in results for m in result.measurements()}
    reasons = untestable_reasons([claim], asked.profile, references(asked.profile.name, {}, None), asked.limit)
    (judgement,) = judge_claims([claim], values, reasons)
    outcome, reason = claim_outcome(claim_entry(judgement), gate=asked.claims_gate)
    if outcome == "failure":
        pytest.fail(reason, pytrace=False)
    if outcome == "skipped":
        (pytest.xfail if judgement.differs else pytest.skip)(reason)
