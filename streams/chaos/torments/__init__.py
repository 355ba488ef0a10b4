"""What is broken, and how each part is seen to be well again."""
