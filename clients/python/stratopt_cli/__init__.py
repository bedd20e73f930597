"""The command line of stratopt; `main` is its entry point."""
