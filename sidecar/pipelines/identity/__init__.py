"""`identity`, the engine for tests: every take is made of the source's own frames, or of numbered charts."""
