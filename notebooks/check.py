"""Runs the notebooks and fails if a cell fails, complains or differs from what is stored in the number of its pictures.

    python notebooks/check.py [--store] [NAME ...]    keeps the outputs; only these notebooks
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parent


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(notebook):
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def check(path, store):
    began = time.monotonic()
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    made = nbformat.from_dict(stored)
    client = nbclient.NotebookClient(
        made,
        timeout=1200,
        record_timing=False,
        config=Config({"KernelManager": {"transport": "ipc"}}),
    )
    client.execute()
    complaints = [output["text"] for output in outputs(made) if output.get("name") == "stderr"]
    if complaints:
        sys.exit(f"{path} complains:\n" + "".join(complaints))
    if store:
        nbformat.write(made, path)
    elif pictures(stored) != pictures(made) or pictures(made) == 0:
        sys.exit(f"{path} stores {pictures(stored)} pictures and draws {pictures(made)}; store them with `make notebooks`")
    print(f"{path.name}: {pictures(made)} pictures, {time.monotonic() - began:.0f} s")


with tempfile.TemporaryDirectory() as root:
    # Nothing of the user's configuration, and nothing written beside the notebooks.
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        os.environ[variable] = str(Path(root, variable.lower()))
    shutil.copytree(NOTEBOOKS.parent / "configs" / "demo", Path(root, "configs", "demo"))
    # The sockets lie in the working directory, which the kernels share.
    os.chdir(root)
    os.mkdir("notebooks")
    os.chdir("notebooks")
    names = [name for name in sys.argv[1:] if name != "--store"]
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.name in names:
            check(path, "--store" in sys.argv)
    os.chdir(NOTEBOOKS)
