"""Source notebooks: no outputs, a tagged parameters cell, short cells, and prose."""

import nbformat
import pytest

from lib.data.files import NOTEBOOKS


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_reads_as_a_chapter(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    for cell in code:
        lines = cell.source.splitlines()
        assert len(lines) <= 15, cell.source
        assert sum(line.startswith(("import ", "from ")) for line in lines) <= 9
    assert any(cell.source.startswith("# ") or '"# ' in cell.source for cell in notebook.cells)
