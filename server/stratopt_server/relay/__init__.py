"""ZeroMQ: parameter packages out."""
