"""One file per outside thing, and the in-memory twins of every port."""
