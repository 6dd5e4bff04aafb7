"""Results of a run, with their evidence, stored whole or not at all."""
