"""Who is read first: the time by which each study is to be read, and why."""
