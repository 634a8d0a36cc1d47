"""Work: commits in, commands in the middle, commits out."""
