"""What is said: immutable facts, and how they travel."""
