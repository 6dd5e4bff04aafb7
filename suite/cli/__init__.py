"""`python -m suite`: the command line."""
