"""Every figure that is claimed, one command away: ``python -m benchmarks NAME``."""
