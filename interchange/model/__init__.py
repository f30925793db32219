"""The values that travel between rooms: frozen dataclasses, exact time, no behaviour beyond arithmetic."""
