"""Pages that show decisions and searches: one file each, without script, network or font of its own."""
