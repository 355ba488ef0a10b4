"""What nothing refers to any more leaves the object store."""
