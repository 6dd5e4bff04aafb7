"""What every training of a head shares: its state, checkpoints, several processes."""
