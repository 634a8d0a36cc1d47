"""Looking after a store: what is garbage, what is damaged, what it holds."""
