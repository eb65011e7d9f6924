#!/usr/bin/env bash
# Builds the wheel, installs it in a new virtual environment, and runs the checks of types, the tests and the notebooks.
#
#   python/check.sh [--store]    keeps the outputs of the notebooks
set -euo pipefail
cd "$(dirname "$0")/.."

wheel=$(python/build.sh)
scripts/setup.sh python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "$wheel[xarray]" --requirement python/requirements-test.txt

# Not from python/, whose sources lack the compiled module.
(cd "$folder" && bin/python -m mypy.stubtest porecast._porecast)
(cd python && "$folder/bin/mypy")
PORECAST=$folder/bin/porecast "$folder/bin/pytest" --quiet python
"$folder/bin/python" notebooks/check.py "$@"
