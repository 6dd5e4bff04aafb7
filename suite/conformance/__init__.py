"""Checks of whether an encoder keeps the contract: quick questions, asked before any long work.

`suite.conformance.checks` asks them; what is here needs no PyTorch, so that who waits for the answers does not either.
"""

from suite.conformance.record import Check, Conformance, require

__all__ = ["Check", "Conformance", "require"]
