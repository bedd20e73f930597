"""Compiled strategies: arrays in, arrays out."""
