"""Bytes to deduplicated chunks and back: split, digest, codec, pack, ingest."""
