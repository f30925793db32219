"""Other machines: an own certificate authority, who is enrolled, and the way to sidecars elsewhere."""
