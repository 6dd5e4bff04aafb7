"""An encoder under test beside the paper's seven: ranks, levels, paired comparisons, and values frozen for later."""
