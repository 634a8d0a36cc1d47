"""The nouns: frozen records and their rules. No I/O."""
