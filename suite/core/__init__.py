"""Base of every part: files, digests, texts, signals, memory, and the environment a number is made in."""
