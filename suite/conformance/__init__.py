"""Does an encoder keep the contract? Quick questions, asked before any long work."""

from suite.conformance.checks import Check, Conformance, run_checks

__all__ = ["Check", "Conformance", "run_checks"]
