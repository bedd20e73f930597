"""Strategies: what their code declares, and the ones that are built in."""
