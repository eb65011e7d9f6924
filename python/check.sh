#!/usr/bin/env bash
# Builds the wheel, installs it in a new virtual environment, and runs the checks of types, the tests and the notebooks.
#
#   python/check.sh            all of this
#   python/check.sh --store    keeps the outputs of the notebooks
#   python/check.sh --torch    tests the PyTorch twin of every architecture instead (downloads PyTorch: gigabytes)
set -euo pipefail
cd "$(dirname "$0")/.."

wheel=$(python/build.sh)
scripts/setup.sh python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
if [ "${1:-}" = --torch ]; then
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$wheel" --requirement python/tests/requirements-torch.txt
    PORECAST=$folder/bin/porecast "$folder/bin/pytest" --quiet python/tests/test_torch.py
    exit
fi
"$folder/bin/pip" install --quiet --disable-pip-version-check "$wheel[xarray]" --requirement python/requirements-test.txt

# Not from python/, whose sources lack the compiled module.
(cd "$folder" && bin/python -m mypy.stubtest porecast._porecast)
(cd python && "$folder/bin/mypy")
PORECAST=$folder/bin/porecast "$folder/bin/pytest" --quiet python
"$folder/bin/python" notebooks/check.py "$@"
