"""The values that a run is held against: published, recorded and accepted, with source and tolerance."""
