"""Which models read a study, which series of it, and why not the others."""
