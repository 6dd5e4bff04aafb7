"""What a report shows, in which order and in which words: the one model behind report.html and report.md."""
