#!/usr/bin/env bash
# Builds the wheel of the Python package, with HDF5 in it, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

wheels=${CARGO_TARGET_DIR:-target}/wheels
tools=$(dirname "$(scripts/venv.sh python/requirements-build.txt)")
rm -rf "$wheels"
PATH="$tools:$PATH" maturin build --release --manifest-path python/Cargo.toml --out "$wheels" >&2
realpath "$wheels"/*.whl
