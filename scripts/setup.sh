#!/bin/sh
# Makes .venv and installs the packages named as arguments into it, editable, with the tools; one clear line on failure.
set -u
fail() { echo "error: $1" >&2; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
for python in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    if command -v "$python" >/dev/null 2>&1 && fits "$python"; then found=$python; break; fi
done
[ -n "${found:-}" ] || fail "Python 3.11 or newer is needed ($(python3 --version 2>&1) found); name one: make PYTHON=/path/to/python3.12 …"

no_space="the disk is full; about 3 GB are needed, and 8 where torch comes with CUDA"
if ! fits .venv/bin/python; then
    rm -rf .venv
    if ! said=$("$found" -m venv .venv 2>&1); then
        rm -rf .venv
        fail "'$found -m venv .venv' failed; is there space on the disk, and the venv module? $(echo "$said" | tail -n 1)"
    fi
fi

log=$(mktemp) || fail "$no_space"
trap 'rm -f "$log"' EXIT
said() { grep -qiE "$1" "$log"; }
install() {
    .venv/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt "$@" >>"$log" 2>&1 && return
    said 'no space left|errno 28|disk quota' && fail "$no_space"
    cp "$log" .venv/install.log
    if said 'name resolution|nodename nor servname|getaddrinfo|newconnectionerror|connectionerror|proxyerror|connection (refused|reset|broken)|max retries|timed out|network is unreachable'; then
        fail "no package registry can be reached: is there a network? (details: .venv/install.log)"
    fi
    fail "installation failed: $(grep -iE '^ *error' "$log" | head -n 1) (details: .venv/install.log)"
}

editable=""
for part in "$@"; do editable="$editable -e ./$part"; done
echo "installing into .venv (once; a few minutes) …" >&2
# the tools come first, the builder of our packages among them: without an environment of its own a build is quick,
# and in the version that constraints.txt says
install -r requirements-dev.txt
# shellcheck disable=SC2086
install --no-build-isolation $editable
touch .venv/.installed
