"""What the scenario benchmarks play: recordings, and what is no earthquake near by."""
