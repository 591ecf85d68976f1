"""Logs, metrics and readiness: what the relay says of itself, beside the path."""
