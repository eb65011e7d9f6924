#!/usr/bin/env bash
# Makes a small dataset and two small runs and executes the notebook on them; fails when a cell fails.
#
#   notebooks/check.sh [executed.ipynb]    keeps the executed notebook
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${CARGO_TARGET_DIR:-target}/release/porecast")
configs=$PWD/configs/smoke
notebook=$PWD/notebooks/explore.ipynb
executed=${1:+$(realpath "$1")}
python=$(scripts/venv.sh notebooks/requirements.txt)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"$program" --quiet simulate "$configs/simulate.toml" -o data/smoke.h5
"$program" --quiet train "$configs/train.toml" -o runs/smoke-time
"$program" --quiet train "$configs/train.toml" -o runs/smoke-frames \
    --set name=smoke-frames --set 'conditioning={single-frame=[1,3]}'
"$program" --quiet evaluate runs/smoke-time
"$program" --quiet evaluate runs/smoke-frames

export IPYTHONDIR=$folder/ipython JUPYTER_CONFIG_DIR=$folder/jupyter JUPYTER_RUNTIME_DIR=$folder/runtime
PORECAST_DATASET=data/smoke.h5 PORECAST_RUNS='runs/smoke-*' "$python" - "$notebook" "$folder" ${executed:+"$executed"} <<'PYTHON'
import sys

import nbclient
import nbformat
from traitlets.config import Config

notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
for cell in notebook.cells:
    if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
        sys.exit(f"{sys.argv[1]} holds outputs; clear them before committing")
sockets = Config({"KernelManager": {"transport": "ipc"}})
nbclient.NotebookClient(
    notebook, timeout=120, config=sockets, resources={"metadata": {"path": sys.argv[2]}}
).execute()
if len(sys.argv) > 3:
    nbformat.write(notebook, sys.argv[3])
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
pictures = sum("image/png" in output.get("data", {}) for output in outputs)
problems = [output["text"] for output in outputs if output.get("name") == "stderr"]
if problems:
    sys.exit("the notebook complains:\n" + "".join(problems))
if pictures < 4:
    sys.exit(f"the notebook drew {pictures} pictures, expected at least 4")
print(f"notebook: {len(notebook.cells)} cells, {pictures} pictures")
PYTHON
