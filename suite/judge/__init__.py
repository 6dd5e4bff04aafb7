"""Measured cells against their references: per cell, for all cells as a family, per claim."""
