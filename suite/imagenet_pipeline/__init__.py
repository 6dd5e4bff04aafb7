"""Big classification sets as a stream: index -> bytes -> pixels -> augmented crops -> tokens, nothing stored."""
