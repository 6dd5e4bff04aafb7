"""The protocol of the paper and its official code: profiles, variants, constants, each value with its source."""
