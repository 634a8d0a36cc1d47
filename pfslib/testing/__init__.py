"""Test kit: contracts that every backend and runner must pass. Needs the ``test`` extra."""
