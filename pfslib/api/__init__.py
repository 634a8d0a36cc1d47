"""The handles a user holds: Store, Repo, Commit, OpenCommit, Tree."""
