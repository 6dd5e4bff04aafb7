"""Features of views: every view encoded once, what was asked for kept, and remembered by content."""

from suite.encoders.identity import identity
from suite.features.cache import Cache, Tally
from suite.features.extract import BESIDE, Features, extract, kept_beside
from suite.features.passes import Passes

__all__ = ["BESIDE", "Cache", "Features", "Passes", "Tally", "extract", "identity", "kept_beside"]
