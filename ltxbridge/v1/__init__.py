"""Generated from proto/ltxbridge/v1 by `make proto`; do not edit."""
