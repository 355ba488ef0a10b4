"""What is sent: studies whose answers are known, and all that comes beside them."""
