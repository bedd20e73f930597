"""Bars in, results out: compiled strategies, their metrics and the report."""
