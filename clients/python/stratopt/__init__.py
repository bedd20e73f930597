"""Protocol of stratopt; the messages and stubs are in stratopt.v1."""
