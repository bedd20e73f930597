"""Domain values <-> proto messages, both directions: the one translator."""
