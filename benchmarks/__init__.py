"""The latency benchmark harness: ``python -m benchmarks``."""
