"""Benchmarks. Each module has `run()`, which measures and returns one JSON object's worth of figures."""
