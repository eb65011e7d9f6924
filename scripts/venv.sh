#!/usr/bin/env bash
# Prints the path of Python in a virtual environment with the packages of a requirements file; creates it if missing.
#
#   python=$(scripts/venv.sh python/requirements-build.txt)
set -euo pipefail

requirements=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/porecast
# One environment per set of requirements.
venv=$cache/venv-$(sha256sum "$requirements" | cut -c1-12)

if [ ! -e "$venv/complete" ]; then
    "$(dirname "$0")/setup.sh" python >&2
    mkdir -p "$cache"
    exec 9>"$venv.lock"
    # One at a time, where the system has flock.
    if command -v flock >/dev/null; then flock 9; fi
fi
if [ ! -e "$venv/complete" ]; then
    echo "setup: Python packages of $requirements into $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    touch "$venv/complete"
fi
echo "$venv/bin/python"
