"""The sources of the notebooks, as a reader opens them."""

import ast
import re

import nbformat
import pytest

from lib.paths import NOTEBOOKS
from lib.plan import NOTEBOOK_SECTIONS

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w./])/(home|root|tmp|work|mnt|Users|opt|usr)/|\b[A-Z]:\\")
# Three decimals and more are scores; these are the report's (abstract), U-Net's, and ln 2.
SCORE = re.compile(r"(?<![\w./-])0?\.\d{3,}\b")
PUBLISHED = {0.605, 0.891, 0.332, 0.770, 0.7756, 0.693}


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def words(text):
    return len(re.findall(r"[^\W\d_][\w'-]*", text))


def test_there_are_notebooks():
    assert {"04_training", "05_evaluation", "06_report"} <= {path.stem for path in PATHS}


def test_source_is_valid_and_was_not_executed(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_opens_with_a_title_and_the_parameters(notebook):
    assert notebook.cells[0].source.startswith("# ")
    assert len(re.findall(r"^# ", "\n".join(sources(notebook, "markdown")), re.M)) == 1
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert [cell.cell_type for cell in tagged] == ["code"]
    assert tagged[0].source == next(iter(sources(notebook, "code")))
    assert 'params_file = "' in tagged[0].source


def test_what_is_folded_has_no_blank_line(notebook):
    # On the page, what is folded would end there.
    for source in sources(notebook, "markdown"):
        for folded in re.findall(r"<details>.*?(?:</details>|$)", source, re.S):
            assert folded.endswith("</details>")
            assert "\n\n" not in folded


def test_code_cells_are_short_and_parse(notebook):
    for source in sources(notebook, "code"):
        assert len(source.splitlines()) <= 25, source
        ast.parse(source)


def test_more_prose_than_code(notebook):
    prose = sum(words(source) for source in sources(notebook, "markdown"))
    code = "\n".join(sources(notebook, "code")).splitlines()
    assert prose >= 4 * sum(bool(line.strip()) for line in code)


def test_settings_that_it_reads_do_it_again_when_they_change(notebook, request):
    name = request.node.callspec.id
    keys = re.findall(r"settings\[f?[\"']([\w.]+)", "\n".join(sources(notebook, "code")))
    assert [key for key in keys if not key.startswith(NOTEBOOK_SECTIONS.get(name, ("",)))] == []


def test_no_path_of_a_machine(notebook):
    for cell in notebook.cells:
        assert not MACHINE_PATH.search(cell.source), cell.source


def test_no_score_is_typed(notebook):
    for source in sources(notebook, "markdown"):
        assert {float(found) for found in SCORE.findall(source)} <= PUBLISHED, source
