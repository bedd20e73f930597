"""What the server counts of itself, and how Prometheus reads it."""
