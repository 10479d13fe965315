import base64
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat.v4 as nbf
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from lib.data.files import StateError
from lib.page.export import write_page
from lib.page.html import figure, notice, table
from lib.page.values import Measured
from tests.page.faults import faults_of

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C"])
PROSE = r"""# The notebook's own `title`

A price is \$3. Code stays: `echo $HOME and $PATH`.

## Weights $w_0$ & more

$$w(x)=w_c(x)+w_0 \exp(-\frac{(d_1(x)+d_2(x))^2}{2\sigma^2})$$

Here $w_0 = 10$, and $a < b_1$ or $b_2 > c$. [Back](#Result), [paper](https://doi.org/10.1/x).

$$
\begin{aligned}
a &= b \\
- c &= d
\end{aligned}
$$

| network | F1 |
|---|---|
| one | .605 |

## Result
### More
"""


def shown(html):
    return nbf.new_output("execute_result", {"text/html": html.data, "text/plain": "<HTML object>"})


def markdown(text):
    return nbf.new_output("display_data", {"text/markdown": text})


def write(folder, *cells, title="# A title", **options):
    """Write cells (markdown, a code cell, or an output of one) as a page and return its text."""
    made = []
    for cell in (title, *cells) if title else cells:
        if isinstance(cell, str):
            made.append(nbf.new_markdown_cell(cell))
        elif cell.get("cell_type"):
            made.append(cell)
        else:
            made.append(nbf.new_code_cell("x = 1 < 2", outputs=[cell]))
    source, page = folder / "06_report.ipynb", folder / "report.html"
    source.write_text(nbf.writes(nbf.new_notebook(cells=made)), encoding="utf-8")
    write_page(source, page, **options)
    return page.read_text(encoding="utf-8")


def soup_of(html):
    return BeautifulSoup(html.data, "html.parser")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "map.png").write_bytes(PNG)
    (folder / "curve.svg").write_text(SVG)
    frame = pd.DataFrame({"claim": ["F1", "IoU"], "value": [0.605, np.nan]})
    several = {"image": folder / "map.png", "truth": folder / "map.png"}
    return write(
        folder,
        PROSE,
        nbf.new_code_cell("profile = 'study'", metadata={"tags": ["parameters"]}),
        nbf.new_code_cell(
            "say(1)", metadata={"tags": ["lead"]}, outputs=[markdown("**Is it?** No.")]
        ),
        shown(notice("Made from the phantom, not from real data.", "warning")),
        shown(figure(folder / "map.png", number="8", caption="A map.", alt="Bright borders.")),
        shown(figure(folder / "curve.svg", number="5a", caption="Loss.", alt="Two curves.")),
        shown(figure(several, number="7", caption="A frame.", alt="A frame, twice.")),
        shown(table(frame, number="1", caption="Claims.")),
        nbf.new_output("stream", name="stderr", text="a warning nobody should see"),
        nbf.new_output("stream", name="stdout", text="wrote <claims.csv>"),
        "![A photograph](map.png)",
        title="",
        description='About "it"',
        picture=folder / "figures" / "a b.png",
        nav={"Report": folder / "report.html", "1 Data": folder / "chapters" / "01_data.html"},
    )


@pytest.fixture(scope="module")
def soup(page):
    return BeautifulSoup(page, "html.parser")


def test_the_page_loads_nothing_from_outside(page, soup):
    loaded = [tag[name] for name in ("src", "srcset", "data") for tag in soup.select(f"[{name}]")]
    loaded += [link["href"] for link in soup.select("link")]
    assert len(loaded) == 6
    assert all(address.startswith("data:image/") for address in loaded)
    assert not re.search(r"@import|url\(", page)


def test_every_image_has_its_alternative_text(soup):
    alts = [image["alt"] for image in soup.select("img")]
    assert alts == ["Bright borders.", "Two curves.", "image", "truth", "A photograph"]
    assert soup.select_one("#figure-7 .strip")["aria-label"] == "A frame, twice."


def test_title_is_the_first_heading(soup):
    assert [h.get_text() for h in soup.select("h1")] == ["The notebook's own title"]
    assert soup.title.get_text() == "The notebook's own title"
    assert soup.html["lang"].startswith("en")


def test_a_sentence_can_be_the_title(tmp_path):
    soup = BeautifulSoup(write(tmp_path, markdown("# It is so & holds"), title=""), "html.parser")
    assert soup.h1.get_text() == soup.title.get_text() == "It is so & holds"


def test_a_shared_link_has_words_and_a_picture_and_a_tab_an_icon(soup):
    said = {tag["property"]: tag["content"] for tag in soup.select("meta[property]")}
    assert said["og:title"] == "The notebook's own title"
    assert said["og:description"] == 'About "it"'
    assert said["og:image"] == "figures/a%20b.png"
    assert soup.select_one("link[rel=icon]")


def test_pages_link_to_each_other_and_mark_where_the_reader_is(soup, tmp_path):
    links = {a.get_text(): a["href"] for a in soup.select("nav ul a")}
    assert links == {"Report": "report.html", "1 Data": "chapters/01_data.html"}
    assert soup.select_one("nav [aria-current=page]").get_text() == "Report"
    chapter, report = tmp_path / "chapters" / "01_data.html", tmp_path / "report.html"
    write(tmp_path, "Text.")
    write_page(tmp_path / "06_report.ipynb", chapter, nav={"R": report, "D": chapter})
    links = BeautifulSoup(chapter.read_text(encoding="utf-8"), "html.parser").select("nav ul a")
    assert [link["href"] for link in links] == ["../report.html", "01_data.html"]


def test_formulas_become_mathml(soup):
    weights, aligned = soup.select(".equation math[display=block]")
    assert len(weights.select("mfrac")) == 1
    assert "σ" in weights.get_text()
    assert len(aligned.select("mtr")) == 2
    assert [m.get_text() for m in soup.select("main p > math")] == ["w0=10", "a<b1", "b2>c"]


def test_code_and_what_is_escaped_keep_their_dollars(soup):
    text = soup.select_one("main p").get_text()
    assert text == "A price is $3. Code stays: echo $HOME and $PATH."


def test_contents_link_to_headings_that_are_there_once(soup):
    ids = [element["id"] for element in soup.select("[id]")]
    targets = [unquote(a["href"][1:]) for a in soup.select("nav ol a")]
    assert len(ids) == len(set(ids))
    assert targets == ["Weights-w0-&-more", "Result", "More"]
    assert [soup.find(id=target).name for target in targets] == ["h2", "h2", "h3"]


def test_code_is_folded_and_that_of_parameters_not_there(soup):
    folds = soup.select("main details")
    assert len(folds) == 8
    assert not any(fold.has_attr("open") for fold in folds)
    assert "profile" not in soup.main.get_text()
    assert [pre.get_text() for pre in soup.select("pre.plain")] == ["wrote <claims.csv>"]
    assert "nobody should see" not in soup.get_text()
    assert "<HTML object>" not in soup.get_text()


def test_a_report_has_no_code(tmp_path):
    page = write(tmp_path, nbf.new_code_cell("x = 1"), markdown("Said."), code=False)
    soup = BeautifulSoup(page, "html.parser")
    assert not soup.select("main details")
    assert len(soup.select(".cell")) == 1


def test_tags_are_classes(soup):
    assert soup.select_one(".cell.lead .text > p > strong").get_text() == "Is it?"


def test_a_markdown_table_scrolls_in_its_own_box(soup):
    assert soup.select_one(".text > .scroll[tabindex] > table td").get_text() == "one"


def test_table_aligns_numbers_and_dashes_what_is_missing():
    frame = pd.DataFrame({"arm": ["one", None], "f1": [-0.5, np.nan], "n": [84, 1000]})
    frame["updates"] = [800.0, np.inf]
    soup = soup_of(table(frame, number="2", caption="Runs."))
    assert [th["scope"] for th in soup.select("th")] == ["col"] * 4 + ["row"] * 2
    assert [td.get_text() for td in soup.select("td.number")] == [
        *("−.500", "84", "800", "–", "1000", "inf"),
    ]
    assert [th.get_text() for th in soup.select("tbody th.words")] == ["one", "–"]
    assert soup.find(id=soup.div["aria-labelledby"]).get_text() == "Table 2. Runs."


def test_table_writes_intervals_and_makes_a_decided_difference_bold():
    column = [
        Measured(0.2, 0.1, 0.3, signed=True),
        Measured(-0.2, -0.3, 0.1, signed=True),
        Measured(0.5, 0.4, 0.6),
        None,
    ]
    frame = pd.DataFrame({"what": list("abcd"), "F1": column})
    soup = soup_of(table(frame, number="1", caption="C."))
    cells = [cell.get_text() for cell in soup.select("td.number")]
    assert cells == ["+.200 (.100 to .300)", "−.200 (−.300 to .100)", ".500 (.400 to .600)", "–"]
    assert [cell.strong is not None for cell in soup.select("td")] == [True, False, False, False]


def test_each_verdict_is_a_badge_of_its_own_class():
    verdicts = ["reproduced", "not reproduced", "<unheard of>", None]
    frame = pd.DataFrame({"claim": list("abcd"), "verdict": verdicts})
    soup = soup_of(table(frame, number="1", caption="Claims."))
    badges = soup.select(".verdict")
    assert [badge.get_text() for badge in badges] == verdicts[:3]
    assert [badge["class"][1] for badge in badges][:2] == ["reproduced", "not-reproduced"]
    assert soup.select("td")[-1].get_text() == "–"


@settings(deadline=None, max_examples=50, database=None)
@example(text="<b>&amp;", name="<i>&lt;")
@given(text=st.text(PRINTABLE).map(str.strip), name=st.text(PRINTABLE, min_size=1))
def test_whatever_a_table_says_arrives_as_text(text, name):
    soup = soup_of(table(pd.DataFrame({name: [text]}), number="1", caption=text))
    assert soup.caption.get_text() == f"Table 1. {text}"
    assert soup.thead.th.get_text() == name
    assert soup.tbody.th.get_text() == text
    assert soup_of(notice(text, "note")).get_text() == f"Note {text}"


def test_figure_embeds_its_file_escapes_what_it_is_told_and_links_what_is_behind_it(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    words = '<b>"x" & y</b>'
    sources = {"a<b.csv": "a.csv", "chapter 5": "chapters/05.html#Cells", "elsewhere": ""}
    made = figure(tmp_path / "a.png", number="3", caption=words, alt=words, sources=sources)
    soup = soup_of(made)
    assert soup.figure["id"] == "figure-3"
    said = f"Figure 3. {words} Source: a<b.csv, chapter 5, elsewhere"
    assert soup.figcaption.get_text() == said
    assert [link["href"] for link in soup.select("a")] == ["a.csv", "chapters/05.html#Cells"]
    assert soup.img["alt"] == words
    assert base64.b64decode(soup.img["src"].split(",")[1]) == PNG


@pytest.mark.parametrize(
    ("name", "alt", "fault"), [("a.png", " ", "figure 3"), ("a.csv", "A.", "a.csv is not an image")]
)
def test_figure_refuses_what_nobody_could_see(name, alt, fault):
    with pytest.raises(ValueError, match=fault):
        figure(Path(name), number="3", caption="A map.", alt=alt)


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (r"A formula $\foo x$.", r"it has \\foo in a formula"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<p style="background: url(https://example.org/x.png)">', "loads https://example.org"),
        ("<style>@import 'https://example.org/x.css';</style>", "loads https://example.org/x.css"),
        ("![A map](../elsewhere/map.png)", r"loads \.\./elsewhere/map.png"),
        ("![](data:image/png;base64,AAAA)", "no alternative text"),
        ("[Somewhere](#nowhere)", "leads to #nowhere"),
        ('<p id="main">', "#main is there twice"),
        ("## A part\n\n## A part", "#A-part is there twice"),
    ],
)
def test_what_keeps_a_page_from_being_read_by_everyone_is_found(tmp_path, cell, fault):
    found = faults_of(write(tmp_path, cell))
    assert any(re.search(fault, one) for one in found), found


def test_a_page_needs_a_title(tmp_path):
    assert faults_of(write(tmp_path, "Text.", title="")) == ["it has no title"]


def test_a_page_that_cannot_be_put_in_place_leaves_the_old_one_alone(tmp_path, monkeypatch):
    def no_space(source, target):
        raise OSError("no space left")

    (tmp_path / "report.html").write_text("the old page")
    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(StateError, match="no space left"):
        write(tmp_path, "Text.")
    assert (tmp_path / "report.html").read_text() == "the old page"


def test_a_plot_without_alternative_text_is_refused_and_with_it_shown(tmp_path):
    data = {"image/png": base64.b64encode(PNG).decode()}
    page = write(tmp_path, nbf.new_output("display_data", data))
    assert faults_of(page) == ["an image has no alternative text"]
    page = write(tmp_path, nbf.new_output("display_data", data, metadata={"alt": "A curve."}))
    assert 'alt="A curve."' in page


def contrast(*colours):
    """Ratio of the luminances of two colours, as WCAG 2 defines it: from 1 to 21."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_themes(page, theme):
    colours = dict(
        re.findall(r"--(\S+): (#\w+)", re.findall(r":root \{(.*?)\}", page, re.S)[theme])
    )
    pairs = [(ink, ground) for ink in ("text", "muted", "accent") for ground in ("page", "soft")]
    pairs += [(tone, f"{tone}-soft") for tone in ("good", "fair", "bad", "odd")]
    pairs += [("good", "soft"), ("fair", "soft"), ("accent", "current"), ("text", "current")]
    for ink, ground in [*pairs, ("text", "fair-soft")]:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
