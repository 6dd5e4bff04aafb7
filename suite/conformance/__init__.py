"""Checks of whether an encoder keeps the contract: quick questions, asked before any long work."""

from suite.conformance.checks import Check, Conformance, run_checks

__all__ = ["Check", "Conformance", "run_checks"]
