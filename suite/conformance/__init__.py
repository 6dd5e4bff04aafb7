"""Does an encoder keep the contract? A ladder of quick questions, asked before any long work."""

from suite.conformance.ladder import Ladder, Rung, climb

__all__ = ["Ladder", "Rung", "climb"]
