"""Pictures and sound in and out: probe, exact decode, colour, encode. Nothing else knows av."""
