"""Images become a study: which series are whole, and when a revision stands."""
