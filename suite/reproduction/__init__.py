"""The main jobs: measure, judge, report; record references; accept a run."""
