#!/bin/sh
# Makes .venv and installs the packages named as arguments into it, editable, with the tools; one clear line on failure.
set -u
fail() { echo "error: $1" >&2; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
for python in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    if command -v "$python" >/dev/null 2>&1 && fits "$python"; then found=$python; break; fi
done
[ -n "${found:-}" ] || fail "Python 3.11 or newer is needed ($(python3 --version 2>&1) found); name one: make PYTHON=/path/to/python3.12 …"

if ! fits .venv/bin/python; then
    rm -rf .venv
    "$found" -m venv .venv >/dev/null 2>&1 || fail "'$found -m venv .venv' failed: is there space on the disk, and the venv module?"
fi

editable=""
for part in "$@"; do editable="$editable -e ./$part"; done
log=.venv/install.log
echo "installing into .venv (once; a few minutes) …" >&2
# shellcheck disable=SC2086
if ! .venv/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -r requirements-dev.txt $editable >"$log" 2>&1; then
    if grep -qiE 'no space left|errno 28' "$log"; then fail "the disk is full; about 3 GB are needed"; fi
    if grep -qiE 'name resolution|newconnectionerror|connection (refused|reset|broken)|max retries|timed out|could not connect|network is unreachable' "$log"; then
        fail "no package registry can be reached: is there a network? (details: $log)"
    fi
    fail "installation failed: $(grep -iE '^error' "$log" | head -n 1) (details: $log)"
fi
touch .venv/.installed
