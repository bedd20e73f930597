"""Market data: files of bars in, clean and graded columns out."""
