"""One file per verb of `wetread`."""
