"""When a study has ended, and when it is kept no longer."""
