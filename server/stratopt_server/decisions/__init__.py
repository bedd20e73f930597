"""Policies, gates, parameter packages and their signatures. Pure: evidence in, a verdict out."""
