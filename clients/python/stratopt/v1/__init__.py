"""Generated messages and stubs of stratopt.v1."""
