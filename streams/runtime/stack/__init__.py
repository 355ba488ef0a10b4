"""The whole of one machine as children of one process: started, watched, started again, ended."""
