"""The examples of the pages run."""

import doctest
import os
import re
import shutil
import warnings
from pathlib import Path

import pytest

import porecast

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["python/README.md", "README.md"])
def test_the_example_of_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    shutil.copy(REPOSITORY / "configs/demo/domain.png", tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.S)
    exec(compile(example, page, "exec"), {})
    assert os.path.getsize("half-time.png") > 1000


def test_the_example_of_the_package_runs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert doctest.testmod(porecast).failed == 0
