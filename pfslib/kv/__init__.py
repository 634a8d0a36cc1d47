"""Ordered bytes to bytes, with transactions: LMDB, and an in-memory twin for tests."""
