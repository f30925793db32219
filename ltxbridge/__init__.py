"""ltxbridge: shots made again where they stand. This package is the front door; see ARCHITECTURE.md."""
