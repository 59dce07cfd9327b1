"""Speed of the parts: ``python -m benchmarks`` prints what docs/benchmarks.md quotes."""
