"""An encoder under test: conformance first, then the experiments, beside the paper's seven."""
