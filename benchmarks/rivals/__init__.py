"""The naive ways and yardsticks that the benchmarks run beside the product."""
