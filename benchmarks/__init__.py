"""Benchmarks against other servers, on public tools: `python -m benchmarks` (see docs/reference/benchmarks.md)."""
