#!/usr/bin/env bash
# Prints the Python of a virtual environment with the packages of a requirements file; makes it when it is not there.
#
#   python=$(scripts/venv.sh notebooks/requirements.txt)
set -euo pipefail

requirements=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/porecast
# Other requirements are another environment.
venv=$cache/venv-$(sha256sum "$requirements" | cut -c1-12)

if [ ! -e "$venv/complete" ]; then
    "$(dirname "$0")/setup.sh" python >&2
    echo "setup: Python packages of $requirements into $venv" >&2
    mkdir -p "$cache"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    touch "$venv/complete"
fi
echo "$venv/bin/python"
