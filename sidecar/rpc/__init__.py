"""Transport only: parse, one service call, reply."""
