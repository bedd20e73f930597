"""Bars in, results out: compiled strategies, their metrics and the report. Imports numpy, numba and domain."""
