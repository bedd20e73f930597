"""Backup and restore: one file with every row, the bars and the signing key, the same for every database."""
