"""What every part stands on: files, digests, texts, signals, memory, and the environment a number is made in."""
