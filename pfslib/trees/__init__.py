"""Files and directories made of chunks: nodes, split trees, lookup, edit, merge, read."""
