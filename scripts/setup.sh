#!/bin/bash
# Makes .venv with pfslib and, if called as `setup.sh tools`, all that its tests need; and sees to what
# mounts need. May be called at any time: it does only what is missing.
# PYTHON=/path/to/python3 chooses the Python for a new .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/apt.sh

stamp=.venv/.made-by-setup
with=${1:-}

say() { echo "setup: $*" >&2; }
die() { say "$@"; exit 1; }

# --- Python ----------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venvs() { "$1" -c 'import venv; from ensurepip import bootstrap' 2>/dev/null; }

# Prints the first Python that is new enough, preferring one that can make environments.
find_python() {
    local candidate bare=
    for candidate in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3; do
        is_new_enough "$candidate" || continue
        can_make_venvs "$candidate" && { echo "$candidate"; return; }
        bare=${bare:-$candidate}
    done
    echo "$bare"
}

choose_python() {
    local found package
    found=$(find_python)
    if [ -z "$found" ] && can_install; then
        apt_install python3 python3-venv
        found=$(find_python)
    fi
    [ -n "$found" ] || die "no Python 3.11 or newer here; install one (Debian: python3 and" \
        "python3-venv), or name one: make setup PYTHON=/path/to/python3"
    if ! can_make_venvs "$found"; then
        package=$("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        ! can_install || apt_install "$package"
        can_make_venvs "$found" || die "$found cannot make virtual environments;" \
            "install the Debian package $package, or name another: make setup PYTHON=..."
    fi
    echo "$found"
}

# --- the environment -------------------------------------------------------------------------

# What .venv was made from: another place or other requirements make another environment.
fingerprint() { pwd; cksum <pyproject.toml; cksum <setup.cfg; }

make_venv() {
    local python
    python=$(choose_python)
    say "making .venv with $("$python" --version)"
    # The stamp first: a .venv that carries one may be made anew without asking.
    mkdir -p .venv
    echo unfinished >"$stamp"
    "$python" -m venv --clear --without-pip .venv
    echo unfinished >"$stamp"
    .venv/bin/python -m ensurepip --default-pip >/dev/null
}

install_project() {
    local what=. shown=pfslib
    ! wants_tools || { what='.[test,interop-test,docs]' shown='pfslib and its tools'; }
    say "installing $shown into .venv"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --editable "$what" </dev/null
    { fingerprint; ! wants_tools || echo tools; } >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

# Tools that were installed once stay, so they are kept up to date.
wants_tools() { [ "$with" = tools ] || [ "$(tail -n 1 "$stamp" 2>/dev/null)" = tools ]; }

is_current() {
    local made
    made=$(cat "$stamp" 2>/dev/null) || return 1
    [ "$made" = "$(fingerprint; echo tools)" ] || [ "$made$with" = "$(fingerprint)" ] ||
        return 1
    .venv/bin/python -c '' 2>/dev/null
}

# Whose an environment is matters only when there is something to change in it.
ensure_venv() {
    local part
    ! is_current || return 0
    for part in . .venv pfslib.egg-info; do
        [ ! -e "$part" ] || [ -w "$part" ] || die "$(realpath "$part") belongs to" \
            "$(stat -c %U "$part") and $(id -un) may not write to it;" \
            "work as that user, or in a checkout of your own"
    done
    if [ ! -e .venv ]; then
        make_venv
    elif ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        [ -e "$stamp" ] || die ".venv is broken (its Python or pip does not run) and was not made" \
            "here; remove it and call again"
        say ".venv is broken, making it anew"
        make_venv
    elif [ -e "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$(pwd)" ]; then
        # Its programs name the Python of another place in their first line.
        say ".venv was made in another place or not to its end, making it anew"
        make_venv
    fi
    install_project
}

# --- FUSE ------------------------------------------------------------------------------------

has_library() {
    .venv/bin/python -c \
        'import ctypes.util, sys; sys.exit(not ctypes.util.find_library(sys.argv[1]))' "$1"
}

# The newer of two names of a package, unless it is known that there is only the older one.
newer_name() {
    if ! command -v apt-cache >/dev/null || apt_knows "$1"; then echo "$1"; else echo "$2"; fi
}

# Mounting needs the program fusermount, but for root; the tests also mount by way of libfuse.
ensure_fuse() {
    local packages=()
    if [ "$with" = tools ]; then
        # Renamed with the 64-bit time of Debian 13 and Ubuntu 24.04.
        has_library fuse || packages+=("$(newer_name libfuse2t64 libfuse2)")
        has_library fuse3 || packages+=("$(newer_name libfuse3-4 libfuse3-3)")
    fi
    # Of fuse3 and not of fuse: it brings fusermount too, and the two cannot stand together.
    command -v fusermount >/dev/null || packages+=(fuse3)
    [ ${#packages[@]} -gt 0 ] || return 0
    if can_install; then
        apt_install "${packages[@]}"
    else
        say "mounts will not work yet, or not all tests of them; as root: apt-get install ${packages[*]}"
    fi
}

ensure_venv
ensure_fuse
