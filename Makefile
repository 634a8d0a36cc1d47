# What one does here. Everything is installed into .venv, which `make setup` makes when needed.
# All paths are relative, so that the checkout may stand anywhere, in a path with spaces too.

.DEFAULT_GOAL := help
JOBS ?= 2
.PHONY: help setup tools demo test lint docs picture bench clean

help:
	@echo 'make demo     tell the story of the post, step by step, in a temporary store'
	@echo 'make test     lint, types, layers, then all tests; ARGS="-k chunks -x" goes to pytest'
	@echo '              which runs two files at once, or as many as JOBS; JOBS=0 is one process'
	@echo 'make lint     the first three of those'
	@echo 'make docs     all pages and the reference as HTML, in build/docs; a broken link fails it'
	@echo 'make picture  docs/session.svg, the picture of the README, from a session run now'
	@echo 'make bench    storage beside cp, tar, find, git, borg, restic, casync; ARGS="--quick"'
	@echo 'make setup    make .venv and see to what mounts need; the others call it, or the next'
	@echo 'make tools    the same with all that tests need'
	@echo 'make clean    remove .venv and whatever the tools left'

setup:
	@bash scripts/setup.sh

demo: setup
	@bash scripts/demo.sh

tools:
	@bash scripts/setup.sh tools

lint: tools
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# A file stays with one process, as many share what is made once; in their order, for those whose few
# tests are long would else come last.
test: lint
	.venv/bin/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

docs: tools
	.venv/bin/python docs/site/build.py build/docs

picture: setup
	.venv/bin/python docs/site/session.py

bench: setup
	.venv/bin/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
