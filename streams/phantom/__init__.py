"""Phantoms: studies with a known truth, generated for the demo, for tests and for training; never evidence."""
