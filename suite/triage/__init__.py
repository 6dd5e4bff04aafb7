"""Triage: which factor explains a number that differs? Tries usual mistakes and named variants, one at a time."""
