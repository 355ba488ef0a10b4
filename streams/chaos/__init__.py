"""Chaos: everything is broken while studies of known answers arrive, and a history is kept (README.md says which)."""
