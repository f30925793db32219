"""Content credentials: what is synthetic, from which source, by which algorithm, signed."""
