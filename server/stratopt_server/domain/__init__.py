"""Values, rules of life, the error tree and the ports. Imports the standard library and numpy only."""
