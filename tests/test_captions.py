"""The numbered figures of the report, from constructed entries; and those that the study has."""

import ast
import base64
import string

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from lib import captions
from lib.paths import NOTEBOOKS, OUTPUTS, ROOT

TEMPLATE = ROOT / "lib" / "report_template" / "figures.yaml"
SHIPPED = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
ENTRIES = """
frame: {number: "2", caption: "Frame {frame} of {label}.", alt: A grey image}
scores:
  {number: 13a, caption: Scores., alt: Some lines, format: svg,
  sources: [summary.csv, runs/*/x.csv, ../../params/y.csv]}
"""


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Outputs with the figures of two entries, which stand in for those of the study."""
    monkeypatch.setattr(captions, "ROOT", tmp_path)
    template = tmp_path / TEMPLATE.relative_to(ROOT)
    template.parent.mkdir(parents=True)
    template.write_text(ENTRIES)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "frame.png").write_bytes(b"the frame")
    (tmp_path / "figures" / "scores.svg").write_bytes(b"the scores")
    return tmp_path


def show(outputs, name, **values):
    return BeautifulSoup(captions.show(outputs, name, **values).data, "html.parser")


def test_figure_has_its_number_its_description_and_the_values_of_its_caption(outputs):
    shown = show(outputs, "frame", frame=7, label="a <phantom>")
    assert shown.figure["id"] == "figure-2"
    assert shown.figcaption.get_text() == "Figure 2. Frame 7 of a <phantom>."
    assert shown.img["alt"] == "A grey image"
    assert shown.img["src"] == f"data:image/png;base64,{base64.b64encode(b'the frame').decode()}"


def test_figure_of_lines_names_its_data(outputs):
    shown = show(outputs, "scores")
    assert shown.figure["id"] == "figure-13a"
    files = "summary.csv, runs/*/x.csv, params/y.csv"
    assert shown.figcaption.get_text() == f"Figure 13a. Scores. Data: {files}"
    links = [link["href"] for link in shown.select("a")]
    assert links == ["summary.csv", "runs/", "../../params/y.csv"]
    content = base64.b64encode(b"the scores").decode()
    assert shown.img["src"] == f"data:image/svg+xml;base64,{content}"


def test_unknown_figure(outputs):
    with pytest.raises(KeyError, match="figure99"):
        captions.show(outputs, "figure99")


def test_value_that_the_caption_asks_for_and_nobody_gives(outputs):
    with pytest.raises(KeyError, match="label"):
        captions.show(outputs, "frame", frame=7)


def test_figure_that_was_not_drawn(outputs):
    (outputs / "figures" / "scores.svg").unlink()
    with pytest.raises(FileNotFoundError, match=r"figures/scores\.svg"):
        captions.show(outputs, "scores")


# report_template/figures.yaml ---------------------------------------------------------------


def test_no_two_figures_have_one_number():
    numbers = [entry["number"] for entry in SHIPPED.values()]
    assert len(set(numbers)) == len(numbers)


def test_report_shows_every_figure_and_gives_what_its_caption_asks_for():
    notebook = nbformat.read(NOTEBOOKS / "06_report.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    calls = [
        call
        for call in ast.walk(ast.parse(code))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "captions.show"
    ]
    given = {call.args[1].value: {word.arg for word in call.keywords} for call in calls}
    asked = {
        name: {gap for _, gap, _, _ in string.Formatter().parse(entry["caption"]) if gap}
        for name, entry in SHIPPED.items()
    }
    assert given == asked
    assert len(calls) == len(given)


def test_links_lead_to_files_of_the_published_results():
    page = OUTPUTS / "study"
    for entry in SHIPPED.values():
        for source in entry.get("sources", []):
            assert list(page.glob(source.replace("runs/*/", "runs/*/*/*/"))), source
