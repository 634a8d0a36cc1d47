"""Other people's ways in: fsspec, archives, git."""
