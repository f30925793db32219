"""A folder that is watched: drop a timeline into `in/`, find it delivered in `out/`."""
