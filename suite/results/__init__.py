"""What a run measured: results with their evidence, stored whole or not at all."""
