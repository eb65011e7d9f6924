#!/usr/bin/env bash
# Makes a small dataset and two small runs and executes the notebook on them; fails when a cell fails.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${CARGO_TARGET_DIR:-target}/release/porecast")
configs=$PWD/configs/smoke
notebook=$PWD/notebooks/explore.ipynb
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

# Warnings of the kernel's own machinery are no concern of the notebook.
export MPLBACKEND=agg PYTHONWARNINGS=ignore IPYTHONDIR=$folder/ipython JUPYTER_CONFIG_DIR=$folder/jupyter
PORECAST_DATASET=data/smoke.h5 PORECAST_RUNS='runs/smoke-*' "$python" - "$notebook" "$folder" <<'PYTHON'
import sys

import nbclient
import nbformat

notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
for cell in notebook.cells:
    if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
        sys.exit(f"{sys.argv[1]} holds outputs; clear them before committing")
nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
pictures = sum("image/png" in output.get("data", {}) for output in outputs)
problems = [output["text"] for output in outputs if output.get("name") == "stderr"]
if problems:
    sys.exit("the notebook complains:\n" + "".join(problems))
if pictures < 4:
    sys.exit(f"the notebook drew {pictures} pictures, expected at least 4")
print(f"notebook: {len(notebook.cells)} cells, {pictures} pictures")
PYTHON
