"""History, and where data came from: repos, branches, references, staging, finish, reflog."""
