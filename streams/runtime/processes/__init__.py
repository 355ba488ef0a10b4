"""Settings to a running process: a worker, a reader, a door."""
