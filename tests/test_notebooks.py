"""Notebooks run from the first cell to the last on a released lake, and are stored without what they said."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.tiny_company import Company

HOME = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stored_without_its_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [None] * len(code)
    assert [c.outputs for c in code] == [[]] * len(code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.timeout(2400)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_notebook_runs_to_its_end(path: Path, company: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROBOLAKE_ENV", company.env)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(HOME)}}).execute()
    drawn = [
        o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "image/svg+xml" in o.get("data", {})
    ]
    assert len(drawn) == 1
