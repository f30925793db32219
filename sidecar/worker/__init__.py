"""The engine child process and its supervisor."""
