"""A candidate: conformance first, then the experiments, beside the paper's seven."""
