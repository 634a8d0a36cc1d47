"""Work: commits in, runs of commands in the middle, commits out."""
