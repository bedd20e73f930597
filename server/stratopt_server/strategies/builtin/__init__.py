"""Built-in strategies, one file each; the file itself is the code that is seeded."""
