"""The mini study's data, written as the owners of each real dataset publish theirs: one module a format."""
