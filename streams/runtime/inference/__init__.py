"""The one effect: a model is asked about a series, in its turn, and every request ends in an answer or a failure."""
