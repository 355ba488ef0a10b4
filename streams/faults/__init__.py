"""What a chaos run may do to a process from inside: fail at named points, and go without a named protection."""
