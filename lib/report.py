"""The report: pieces that a notebook shows, and the notebook as one self-contained HTML page."""

import base64
import mimetypes
import re
from collections import Counter
from html import escape, unescape
from numbers import Integral, Real
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd
from bs4 import BeautifulSoup
from IPython.display import HTML
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters import markdown_mistune as markdown
from traitlets.config import Config

from lib.files import write_text
from lib.tables import IN_SIGN, SUPPORTED

VERDICT_SIGNS = {
    "reproduced": "✓",
    IN_SIGN: "✓",
    SUPPORTED: "✓",
    "partly": "≈",
    "not reproduced": "✗",
    "contradicted": "≠",
    "cannot be tested": "?",
    "not tested on the original data": "○",
}
# A widget or a script has a text/plain form beside it, which needs nothing from outside.
SHOWN = ["text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "image/jpeg"]
# A dollar opens a formula only before a non-space and closes it only after one and not before a
# digit (Pandoc's rule), and no formula holds a backtick: so `$5 and $6` and code stay as they are.
INLINE_FORMULA = r"(?<![\\$])\$(?![\s$])(?P<math_inline_tex>(?:\\.|[^\\$`])+?(?<!\s))\$(?![\d$])"
DISPLAY_FORMULA = r"(?<!\\)\$\$(?P<math_block_tex>[^$`]+)\$\$"
FORMULA_LINES = r"^ {0,3}\$\$[^$`]+\$\$"
# A number with its interval and perhaps a share, as text; or the dash of a missing one.
INTERVAL = re.compile(r"–|[-−+]?[\d.]+( \([-−+\d. to]+\))?( \[\d+%\])?")
# What stands behind the number, which the page writes smaller.
BEHIND = re.compile(r" (\([^<]*)")
# A difference, written with its sign, whose interval leaves out zero, as far as its digits show.
DECIDED = re.compile(r"[−+][\d.]+ \(([−+])(?=.*[1-9].* to)[\d.]+ to \1(?=.*[1-9])[\d.]+\)")
LOADING = {"src", "srcset", "poster", "data", "xlink:href"}
# The second is what nbconvert writes where there is none.
NO_ALT = ("", "No description has been provided for this image")


def figure(path: Path, *, number: str, caption: str, alt: str, sources: dict | None = None) -> HTML:
    """Show an image file as a numbered figure with its data embedded.

    Parameters
    ----------
    path : Path
        PNG, JPEG or SVG file.
    number, caption : str
        Number, which also makes the anchor ``figure-<number>``, and plain text below the image.
    alt : str
        What the image shows, for a reader who cannot see it.
    sources : dict of str to str, optional
        Files that hold the plotted values: name and address, which is empty where there is no link.

    Raises
    ------
    ValueError
        If ``alt`` is empty or the file is no image.
    """
    mimetype = mimetypes.guess_type(path)[0] or ""
    if not (mimetype.startswith("image/") and alt.strip()):
        raise ValueError(f"figure {number}: {path} is not an image, or has no alternative text")
    data = base64.b64encode(Path(path).read_bytes()).decode()
    image = f'<img src="data:{mimetype};base64,{data}" alt="{escape(alt)}">'
    if mimetype == "image/svg+xml":  # lettering that is not to shrink with a narrow screen
        label = f'role="group" tabindex="0" aria-label="Figure {escape(number)}"'
        image = f'<div class="lines" {label}>{image}</div>'
    return HTML(
        f'<figure id="{_anchor("figure", number)}">{image}'
        f"<figcaption><strong>Figure {escape(number)}.</strong> {escape(caption)}"
        f"{_origin(sources)}</figcaption></figure>"
    )


def table(
    frame: pd.DataFrame,
    *,
    number: str,
    caption: str,
    formats: dict | None = None,
    sources: dict | None = None,
) -> HTML:
    """Show a data frame as a numbered table; its anchor is ``table-<number>``.

    The first column heads the rows: the index if it has a name (a plain index is not shown).
    A missing value is an en dash, a column named ``verdict`` holds badges, and a difference whose
    interval leaves out zero is bold.

    Parameters
    ----------
    frame : DataFrame
        Values with flat column names.
    number, caption : str
        Number and plain text above the table.
    formats : dict, optional
        Column name to format specification, such as ``{"f1": ".2f"}``. Without one, a number that
        is no integer has three decimals.
    sources : dict of str to str, optional
        As for `figure`.

    Raises
    ------
    ValueError
        If ``formats`` names a column that the table does not have.
    """
    frame = frame.reset_index() if any(frame.index.names) else frame
    formats = formats or {}
    if unknown := formats.keys() - set(frame.columns):
        raise ValueError(f"table {number} has no column {', '.join(map(str, unknown))}")
    columns = []
    for position, (name, values) in enumerate(frame.items()):
        kind = _kind(values.dropna())
        tag = "td" if position else 'th scope="row"'
        cells = [_cell(value, name, formats.get(name)) for value in values]
        if kind == "interval":
            cells = [BEHIND.sub(r" <small>\1</small>", cell) for cell in cells]
            cells = [cell.replace("-", "\N{MINUS SIGN}") for cell in cells]
        columns.append(
            [f'<th scope="col" class="{kind}">{escape(str(name))}</th>']
            + [f'<{tag} class="{kind}">{cell}</{tag[:2]}>' for cell in cells]
        )
    head, *body = (f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    anchor = _anchor("table", number)
    return HTML(
        f'<div class="scroll" id="{anchor}" role="region" tabindex="0"'
        f' aria-labelledby="{anchor}-caption"><table><caption><span id="{anchor}-caption">'
        f"<strong>Table {escape(number)}.</strong> {escape(caption)}{_origin(sources)}</span>"
        f"</caption><thead>{head}</thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def notice(text: str, kind: str) -> HTML:
    """Show plain text in a box; ``kind`` is "warning" or "note", anything else a ValueError."""
    if kind not in ("warning", "note"):
        raise ValueError(f"a notice is a 'warning' or a 'note', not {kind!r}")
    title = f"<strong>{kind.capitalize()}</strong>"
    return HTML(f'<div class="notice {kind}" role="note">{title} {escape(text)}</div>')


def write_report(notebook: Path, page: Path, *, title: str, footer: str = "") -> None:
    """Write an executed notebook as one HTML page that loads nothing from outside itself.

    ``title`` heads the page and replaces the notebook's own first-level heading; ``footer`` is
    markdown. A page that is there already is replaced in one step, and only by a whole one.

    Raises
    ------
    StateError
        If the page cannot be written.
    ValueError
        If a formula cannot be read; or, all named at once, if the page would load something, has
        an image without alternative text, an anchor twice, or a link to an anchor it lacks.
    """
    exporter = HTMLExporter(
        template_name="report_template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        filters={"markdown2html": _markdown2html},
        config=Config(NbConvertBase={"display_data_priority": [*SHOWN, "text/plain"]}),
    )
    text, _ = exporter.from_filename(
        str(notebook), {"title": title, "footer": footer, "headings": []}
    )
    if faults := _faults(text):
        raise ValueError(f"no report from {notebook}: " + "; ".join(faults))
    write_text(page, text)


def _origin(sources):
    """Say where the values of a figure or table are, if they are in a file."""
    links = ", ".join(_source(name, address) for name, address in (sources or {}).items())
    return f' <span class="source">Data: {links}</span>' if links else ""


def _source(name, address):
    code = f"<code>{escape(name)}</code>"
    return f'<a href="{quote(address)}">{code}</a>' if address else code


def _anchor(kind, number):
    return escape(f"{kind}-{number}".replace(" ", "-"))


def _kind(values):
    """Class of a column: its numbers stand to the right, and its intervals in one line."""
    if all(map(_is_number, values)):
        return "number"
    return "interval" if all(INTERVAL.fullmatch(str(value)) for value in values) else "words"


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _cell(value, column, spec):
    """Write one value of a table as HTML."""
    if pd.isna(value):
        return "–"
    if _is_number(value):
        spec = spec or ("d" if isinstance(value, Integral) else ".3f")
        return format(value, spec).replace("-", "\N{MINUS SIGN}")
    text = escape(format(value, spec or ""))
    if DECIDED.fullmatch(text):
        return f"<strong>{text}</strong>"
    if column != "verdict" or value not in VERDICT_SIGNS:
        return text
    sign = f'<span aria-hidden="true">{VERDICT_SIGNS[value]}</span>'
    return f'<span class="verdict {value.replace(" ", "-")}">{sign} {text}</span>'


class _Renderer(markdown.IPythonRenderer):
    """Markdown with MathML for formulas, and the headings noted for the table of contents."""

    headings: list

    def heading(self, text, level, **attrs):
        if level == 1 and not self.headings:
            self.headings.append({"level": 1, "base": None})
            return ""  # the page is headed by its title already
        text = re.sub(r"</?a\b[^>]*>", "", text)
        words = unescape(re.sub(r"<[^>]+>", "", text)).split()
        base = "-".join(words)  # as JupyterLab does, so that a link works there and here
        repeats = sum(other["base"] == base for other in self.headings)
        anchor = f"{base}-{repeats + 1}" if repeats else base
        level = max(level, 2)
        self.headings.append({"level": level, "base": base, "id": anchor, "html": text})
        link = f'<a class="anchor" href="#{quote(anchor)}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{escape(anchor)}">{text}{link}</h{level}>\n'

    def inline_math(self, body):
        return _mathml(body, "inline")

    def block_math(self, body):
        box = '<span class="equation" role="group" tabindex="0" aria-label="Formula">'
        return f"{box}{_mathml(body, 'block')}</span>"

    def latex_environment(self, name, body):
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def table(self, text):
        box = '<div class="scroll" role="group" tabindex="0" aria-label="Table">'
        return f"{box}<table>{text}</table></div>\n"


def _mathml(formula, display):
    """Convert a formula; latex2mathml passes on what it does not know, so look for that."""
    try:
        mathml = convert(formula.replace("{aligned}", "{split}"), display=display)
    except Exception as error:  # its errors share no base class
        raise ValueError(f"cannot read the formula {formula!r}") from error
    if unknown := re.search(r">(\\[a-zA-Z]+|&)<", mathml):
        raise ValueError(f"cannot read {unknown[1]} in the formula {formula!r}")
    return mathml


@pass_context
def _markdown2html(context, source):
    """Render the markdown of a cell or an output; nbconvert's filter with our formulas."""
    renderer = _Renderer(
        escape=False,
        embed_images=True,
        attachments=context.get("cell", {}).get("attachments", {}),
        path=context["resources"]["metadata"]["path"],
    )
    renderer.headings = context["resources"]["headings"]
    block, inline = markdown.MathBlockParser(), markdown.MathInlineParser()
    block.specification["multiline_math"] = FORMULA_LINES
    inline.specification["block_math_tex"] = DISPLAY_FORMULA
    inline.specification["inline_math_tex"] = INLINE_FORMULA
    return markdown.MarkdownWithMath(renderer, block, inline).render(source)


def _faults(page):
    """List what keeps a page from standing alone and being read by everyone."""
    soup = BeautifulSoup(page, "html.parser")
    css = [tag.get_text() for tag in soup.select("style")]
    css += [tag["style"] for tag in soup.select("[style]")]
    loaded = re.findall(r"(?:@import|url\()\s*['\"]?([^'\")\s]*)", " ".join(css))
    for tag in soup.find_all(True):
        names = LOADING if tag.name in ("a", "area") else LOADING | {"href"}
        loaded += [tag[name] for name in names & tag.attrs.keys()]
    anchors = Counter(tag["id"] for tag in soup.select("[id]"))
    links = [unquote(link["href"][1:]) for link in soup.select('a[href^="#"]')]
    alts = [image.get("alt", "").strip() for image in soup.select("img")]
    return [
        *(f"it loads {value[:80]}" for value in loaded if not value.startswith(("data:", "#"))),
        *(f"the anchor #{anchor} is there twice" for anchor, n in anchors.items() if n > 1),
        *(f"a link leads to #{link}, which is not there" for link in links if link not in anchors),
        *("an image has no alternative text" for alt in alts if alt in NO_ALT),
    ]
