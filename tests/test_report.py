import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat.v4 as nbf
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.files import StateError
from lib.report import VERDICT_SIGNS, figure, notice, table, write_report

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C"])
PROSE = r"""# The notebook's own title

Prices are $5 and $6 an hour, \$3 at night, $5–$6 in between.
Code stays: `echo $HOME and $PATH`, a price of $7 with `$a`, a bare $$ or `$$`.

`$$` is a number.

- One item: `$$`
- Another: `kill $$`, `$$`

## Weights $w_0$ & more

$$w(x)=w_c(x)+w_0 \exp(-\frac{(d_1(x)+d_2(x))^2}{2\sigma^2})$$

Here $w_0 = 10$, and $a < b_1$ or $b_2 > c$. [Back](#Result), [paper](https://doi.org/10.1/x).

```sh
kill $$; echo $$
```

$$
\begin{aligned}
a &= b \\
- c &= d
\end{aligned}
$$

| arm | F1 |
|---|---|
| none | .605 |

## Result
### Result
"""


class Resources(HTMLParser):
    """Collect every address that a browser would load."""

    def __init__(self):
        super().__init__()
        self.found, self.in_style = [], False

    def handle_starttag(self, tag, attrs):
        self.in_style = tag == "style"
        for name, value in attrs:
            if name in ("src", "srcset", "data") or (name == "href" and tag != "a"):
                self.found.append(value)
            if name == "style":
                self.handle_css(value)

    def handle_data(self, data):
        if self.in_style:
            self.handle_css(data)

    def handle_css(self, css):
        self.found += re.findall(r"@import.*|url\([^)]*\)", css)


def shown(html):
    return nbf.new_output("execute_result", {"text/html": html.data, "text/plain": "<HTML object>"})


def write(folder, *cells, title="A title"):
    """Write cells (markdown, or an output of a code cell) as a report and return its text."""
    notebook = nbf.new_notebook(
        cells=[
            nbf.new_markdown_cell(cell)
            if isinstance(cell, str)
            else nbf.new_code_cell("x = 1 < 2", outputs=[cell])
            for cell in cells
        ]
    )
    source, page = folder / "06_report.ipynb", folder / "report.html"
    source.write_text(nbf.writes(notebook), encoding="utf-8")
    write_report(source, page, title=title)
    return page.read_text(encoding="utf-8")


def soup_of(html):
    return BeautifulSoup(html.data, "html.parser")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "map.png").write_bytes(PNG)
    (folder / "curve.svg").write_text(SVG)
    frame = pd.DataFrame({"claim": ["F1", "IoU"], "value": [0.605, np.nan]})
    return write(
        folder,
        PROSE,
        shown(notice("Made from the phantom, not from real data.", "warning")),
        shown(figure(folder / "map.png", number="8", caption="A map.", alt="Bright borders.")),
        shown(figure(folder / "curve.svg", number="5a", caption="Loss.", alt="Two curves.")),
        shown(table(frame, number="1", caption="Claims.")),
        nbf.new_output("stream", name="stderr", text="a warning nobody should see"),
        nbf.new_output("stream", name="stdout", text="wrote <claims.csv>"),
        nbf.new_output("display_data", {"text/plain": "plain & alone"}),
        "![A photograph](map.png)",
        title="Does <augmentation> help?",
    )


@pytest.fixture(scope="module")
def soup(page):
    return BeautifulSoup(page, "html.parser")


def test_the_page_loads_nothing_from_outside(page):
    resources = Resources()
    resources.feed(page)
    assert len(resources.found) == 3
    assert all(address.startswith("data:image/") for address in resources.found)


def test_the_style_sheet_loads_nothing(page):
    assert not re.search(r"@import|url\(", page)


def test_every_image_has_its_alternative_text(soup):
    alts = [image["alt"] for image in soup.select("img")]
    assert alts == ["Bright borders.", "Two curves.", "A photograph"]


def test_the_title_replaces_the_notebooks_own(soup):
    assert [h.get_text() for h in soup.select("h1")] == ["Does <augmentation> help?"]
    assert soup.title.get_text() == "Does <augmentation> help?"
    assert soup.html["lang"].startswith("en")


def test_formulas_become_mathml(soup):
    weights, aligned = soup.select(".equation math[display=block]")
    assert len(weights.select("mfrac")) == 1
    assert "σ" in weights.get_text()
    assert len(aligned.select("mtr")) == 2
    inline = [m.get_text() for m in soup.select("main p > math")]
    assert inline == ["w0=10", "a<b1", "b2>c"]


def test_prices_and_code_keep_their_dollars(soup):
    text = soup.select_one("main p").get_text()
    assert "Prices are $5 and $6 an hour, $3 at night, $5–$6 in between." in text
    assert "Code stays: echo $HOME and $PATH, a price of $7 with $a, a bare $$ or $$." in text
    assert [li.get_text() for li in soup.select("main li")] == [
        "One item: $$",
        "Another: kill $$, $$",
    ]
    assert soup.select_one("main .text .highlight").get_text().strip() == "kill $$; echo $$"


def test_contents_link_to_headings_that_are_there_once(soup):
    ids = [element["id"] for element in soup.select("[id]")]
    targets = [unquote(a["href"][1:]) for a in soup.select("nav a")]
    assert len(ids) == len(set(ids))
    assert targets == ["Weights-w0-&-more", "Result", "Result-2"]
    assert [soup.find(id=target).name for target in targets] == ["h2", "h2", "h3"]
    assert not soup.select("nav a a")


def test_the_phantom_is_announced_in_words(soup):
    box = soup.select_one(".notice.warning[role=note]")
    assert box.get_text() == "Warning Made from the phantom, not from real data."


def test_code_is_folded_and_of_the_outputs_the_richest_is_shown(soup):
    folds = soup.select("main details")
    assert len(folds) == 7
    assert all(not fold.has_attr("open") and "x = 1 < 2" in fold.get_text() for fold in folds)
    assert [pre.get_text() for pre in soup.select("pre.plain")] == [
        "wrote <claims.csv>",
        "plain & alone",
    ]
    assert "nobody should see" not in soup.get_text()
    assert "<HTML object>" not in soup.get_text()


def test_a_markdown_table_scrolls_in_its_own_box(soup):
    assert soup.select_one(".text > .scroll[tabindex] > table td").get_text() == "none"


def test_table_aligns_numbers_and_dashes_what_is_missing():
    frame = pd.DataFrame({"arm": ["none", None], "f1": [-0.5, np.nan], "n": [84, 1000]})
    soup = soup_of(table(frame, number="2", caption="Arms.", formats={"f1": ".1f"}))
    assert [th["scope"] for th in soup.select("th")] == ["col", "col", "col", "row", "row"]
    assert [td.get_text() for td in soup.select("td.number")] == ["−0.5", "84", "–", "1000"]
    assert [th.get_text() for th in soup.select("tbody th.words")] == ["none", "–"]
    assert soup.find(id=soup.div["aria-labelledby"]).get_text() == "Table 2. Arms."


def test_difference_that_leaves_out_zero_is_bold():
    values = [
        "+0.1 (+0.1 to +0.2)",
        "−0.1 (−0.2 to −0.1)",
        "+0.1 (−0.1 to +0.3)",
        "0.1 (0.0 to 0.2)",
        "+0.0 (+0.0 to +0.0)",
    ]
    frame = pd.DataFrame({"arm": list("abcde"), "d": values})
    shown = table(frame, number="1", caption="C.")
    cells = BeautifulSoup(shown.data, "html.parser").select("td")
    assert [cell.strong is not None for cell in cells] == [True, True, False, False, False]
    assert {cell["class"][0] for cell in cells} == {"interval"}


def test_table_names_the_file_behind_it():
    frame = pd.DataFrame({"arm": ["a"]})
    shown = table(frame, number="1", caption="C.", sources={"a.csv": "x/a.csv"})
    link = BeautifulSoup(shown.data, "html.parser").select_one("caption a")
    assert (link["href"], link.text) == ("x/a.csv", "a.csv")
    assert "Data:" not in table(frame, number="1", caption="C.").data


def test_table_shows_an_index_that_has_a_name():
    frame = pd.DataFrame({"f1": [0.5]}, index=pd.Index(["none"], name="arm"))
    soup = soup_of(table(frame, number="1", caption="Arms."))
    assert [cell.get_text() for cell in soup.select("th, td")] == ["arm", "f1", "none", "0.500"]


def test_each_verdict_has_its_own_badge_with_a_sign_and_words():
    verdicts = [*VERDICT_SIGNS, "<unheard of>", None]
    soup = soup_of(table(pd.DataFrame({"verdict": verdicts}), number="1", caption="Claims."))
    badges = soup.select(".verdict")
    assert [b.get_text().split(" ", 1)[1] for b in badges] == list(VERDICT_SIGNS)
    # What is reproduced in sign alone, or supported, has the sign of what is reproduced.
    assert len({b["class"][1] for b in badges}) == len(badges) == 8
    assert len({b.get_text()[0] for b in badges}) == 6
    assert [th.get_text() for th in soup.select("tbody th")][8:] == ["<unheard of>", "–"]


@settings(deadline=None, max_examples=50, database=None)
@example(text="<b>&amp;", name="<i>&lt;")
@given(text=st.text(PRINTABLE), name=st.text(PRINTABLE, min_size=1))
def test_whatever_a_table_says_arrives_as_text(text, name):
    soup = soup_of(table(pd.DataFrame({name: [text]}), number="1", caption=text))
    assert soup.caption.get_text() == f"Table 1. {text}"
    assert soup.thead.th.get_text() == name
    assert soup.tbody.th.get_text() == text
    assert soup_of(notice(text, "note")).get_text() == f"Note {text}"


def test_values_with_intervals_stay_in_one_line_with_a_minus_sign():
    values = ["-0.050 (-0.060 to -0.040)", "0.5", None, "0.7 (0.6 to 0.8) [33%]"]
    soup = soup_of(
        table(
            pd.DataFrame({"arm": ["a-b", "", "", ""], "f1": values, "rule": "0.5 or -1"}),
            number="1",
            caption="Scores.",
        )
    )
    cells = [cell.get_text() for cell in soup.select("td.interval")]
    assert cells == ["−0.050 (−0.060 to −0.040)", "0.5", "–", "0.7 (0.6 to 0.8) [33%]"]
    assert soup.select_one("tbody .words").get_text() == "a-b"
    assert soup.select_one("td.words").get_text() == "0.5 or -1"


def test_the_files_behind_a_figure_are_linked_where_they_have_an_address(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    sources = {"runs/*.csv": "runs/", "a b.csv": "a b.csv", "other": ""}
    soup = soup_of(figure(tmp_path / "a.png", number="3", caption="", alt="x", sources=sources))
    assert [link["href"] for link in soup.select("a")] == ["runs/", "a%20b.csv"]
    assert soup.select_one(".source").get_text() == "Data: runs/*.csv, a b.csv, other"


def test_the_footer_is_markdown_and_left_out_where_there_is_none(tmp_path, soup):
    assert not soup.select("footer")
    notebook = nbf.new_notebook(cells=[nbf.new_markdown_cell("Text.")])
    (tmp_path / "a.ipynb").write_text(nbf.writes(notebook), encoding="utf-8")
    write_report(tmp_path / "a.ipynb", tmp_path / "a.html", title="A", footer="[Runs](runs/).")
    page = BeautifulSoup((tmp_path / "a.html").read_text(encoding="utf-8"), "html.parser")
    assert page.select_one("body > footer a")["href"] == "runs/"


def test_figure_escapes_what_it_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    words = '<b>"x" & y</b>'
    soup = soup_of(
        figure(tmp_path / "a.png", number="3", caption=words, alt=words, sources={"a<b.csv": ""})
    )
    assert soup.figure["id"] == "figure-3"
    assert soup.figcaption.get_text() == f"Figure 3. {words} Data: a<b.csv"
    assert soup.img["alt"] == words
    assert base64.b64decode(soup.img["src"].split(",")[1]) == PNG


@pytest.mark.parametrize(("name", "alt"), [("a.png", " "), ("a.csv", "A table.")])
def test_figure_refuses_what_nobody_could_see(name, alt):
    with pytest.raises(ValueError, match="figure 3"):
        figure(Path(name), number="3", caption="A map.", alt=alt)


def test_table_refuses_a_format_for_a_column_it_lacks():
    with pytest.raises(ValueError, match="no column f2"):
        table(pd.DataFrame({"f1": [1]}), number="1", caption="Arms.", formats={"f2": ".2f"})


def test_notice_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="danger"):
        notice("text", "danger")


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (r"A formula $\frac{1}$ and $\left( x$.", "cannot read the formula"),
        (r"A formula $\foo x$.", r"cannot read \\foo"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<p style="background: url(https://example.org/x.png)">', "loads https://example.org"),
        ("<style>@import 'https://example.org/x.css';</style>", "loads https://example.org/x.css"),
        ("![A map](../elsewhere/map.png)", r"loads \.\./elsewhere/map.png"),
        ("![](data:image/png;base64,AAAA)", "no alternative text"),
        ("[Somewhere](#nowhere)", "leads to #nowhere"),
        ('<p id="main">', "#main is there twice"),
    ],
)
def test_a_page_that_fails_leaves_the_old_one_alone(tmp_path, cell, fault):
    (tmp_path / "report.html").write_text("the old page")
    with pytest.raises(ValueError, match=fault):
        write(tmp_path, cell)
    assert (tmp_path / "report.html").read_text() == "the old page"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["06_report.ipynb", "report.html"]


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
    with pytest.raises(ValueError, match="no alternative text"):
        write(tmp_path, nbf.new_output("display_data", data))
    page = write(tmp_path, nbf.new_output("display_data", data, metadata={"alt": "A curve."}))
    assert 'alt="A curve."' in page


def luminance(colour):
    """Relative luminance of WCAG 2, from #rgb or #rrggbb."""
    digits = colour.strip("#") if len(colour) == 7 else "".join(2 * c for c in colour.strip("#"))
    srgb = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_themes(page, theme):
    colours = dict(
        re.findall(r"--(\S+): (#\w+)", re.findall(r":root \{(.*?)\}", page, re.S)[theme])
    )
    pairs = [(ink, ground) for ink in ("text", "muted", "accent") for ground in ("page", "soft")]
    pairs += [(f"{tone}", f"{tone}-soft") for tone in ("good", "fair", "bad", "odd")]
    pairs += [(ink, "soft") for ink in ("keyword", "string", "number", "comment")]
    pairs += [("accent", "current"), ("text", "current"), ("text", "fair-soft")]
    for ink, ground in pairs:
        dark, light = sorted(luminance(colours[name]) for name in (ink, ground))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
