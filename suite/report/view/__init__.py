"""Content of a report, its order and its words: the one model behind report.html and report.md."""
