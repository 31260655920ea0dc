"""The open process historian."""
