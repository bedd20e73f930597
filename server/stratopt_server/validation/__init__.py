"""Statistics of overfitting and of risk. Pure functions over numbers and numpy arrays."""
