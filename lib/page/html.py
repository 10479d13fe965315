"""Pages: the pieces that a notebook shows, and an executed notebook as one HTML file."""

import base64
import mimetypes
import os
import re
from numbers import Integral, Real
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from bs4 import BeautifulSoup
from IPython.display import HTML
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from lib.data.files import write_text
from lib.page.values import Measured, number

LOADER = FileSystemLoader(Path(__file__).parent / "template")
TEMPLATES = Environment(loader=LOADER, autoescape=True)
LOADING = {"src", "srcset", "poster", "data", "xlink:href"}
NO_ALT = ("", "No description has been provided for this image")  # by nbconvert


def figure(picture, *, number, caption, alt, sources=None):
    """Show an image file, its data embedded, as the numbered figure ``#figure-<number>``.

    `picture` is a path, or a dict of paths that stand side by side, by the label below each. `alt`
    is what a reader hears who cannot see it. `sources` maps what is behind it to an address, which
    is empty where there is no link. ValueError if `alt` is empty or a file is no image.
    """
    if not alt.strip():
        raise ValueError(f"figure {number} has no alternative text")
    strip = isinstance(picture, dict)
    images = {name: _embed(picture[name]) for name in picture} if strip else _embed(picture)
    return piece("figure", number, caption, sources, images, alt)


def table(frame, *, number, caption, formats=None, sources=None):
    """Show a data frame as the numbered table ``#table-<number>``; `sources` as for `figure`.

    The first column heads the rows: the index if it has a name. A missing value is a dash, a
    `Measured` has its interval below it and is bold where it is a decided difference, and what a
    column named ``verdict`` holds is a badge. `formats` maps columns to format specifications,
    ".3f" if not; ValueError if there is no such column.
    """
    frame = frame.reset_index() if any(frame.index.names) else frame
    formats = formats or {}
    if unknown := formats.keys() - set(frame.columns):
        raise ValueError(f"table {number} has no column {', '.join(map(str, unknown))}")
    numbers = frame.map(lambda value: isinstance(value, (Real, Measured)) or pd.isna(value)).all()
    kinds = {name: "number" if numbers[name] else "words" for name in frame}
    rows = [
        [(kinds[name], _cell(row[name], name, formats.get(name, ""))) for name in frame]
        for row in frame.to_dict("records")
    ]
    return piece("table", number, caption, sources, kinds, rows)


def verdicts(claims, ids):
    """Lay out some rows of claims.csv for reading: claim, published, here, verdict."""
    rows = claims.set_index("id").reindex([name for name in ids if name in set(claims.id)])
    values = rows[["value", "ci_low", "ci_high"]].to_numpy()
    here = [None if pd.isna(row[0]) else Measured(*row) for row in values]
    table = rows[["claim", "published"]].assign(here=here, verdict=rows.verdict)
    return table.reset_index(drop=True)


def notice(text, kind):
    """Show plain text in a box; `kind` is "warning" or "note"."""
    return piece("notice", text, kind)


def write_page(
    notebook, page, *, title="", description="", picture="", nav=None, footer="", code=True
):
    """Write an executed notebook as one HTML page that loads nothing from outside itself.

    Without a title it has the first heading of the notebook; `description` and `picture`, a path,
    are what a shared link shows; `nav` maps what links are called to the pages of the profile;
    `footer` is Markdown. Tags of a cell are classes of its box: ``byline`` and ``lead`` make the
    first screen. The code of cells is folded, or not there at all if `code` is false, as that of
    ``parameters`` never is.

    Raises
    ------
    StateError
        If the page cannot be written; what was there before stays.
    ValueError
        If a formula cannot be read; or, all named at once, if the page has no title, would load
        something, or has an image without alternative text, an anchor twice or a dead link to one.
    """
    about = {"title": title, "description": description, "footer": footer, "code": code}
    about |= {"headings": [], "here": Path(page).name, "picture": picture and _way(page, picture)}
    about["nav"] = {name: _way(page, other) for name, other in (nav or {}).items()}
    # It takes seconds to import, which a notebook that only shows figures need not wait for.
    from lib.page.markdown import render

    text = render(notebook, about)
    if faults := _faults(text):
        raise ValueError(f"no page from {notebook}: " + "; ".join(faults))
    write_text(page, text)


def piece(name, *values):
    """Fill a macro of template/pieces.html.j2."""
    return HTML(getattr(TEMPLATES.get_template("pieces.html.j2").module, name)(*values))


def data_uri(data, mimetype):
    """Write bytes as an address that holds them."""
    return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"


def _way(page, other):
    return Path(os.path.relpath(other, Path(page).parent)).as_posix()


def _embed(path):
    mimetype = mimetypes.guess_type(path)[0] or ""
    if not mimetype.startswith("image/"):
        raise ValueError(f"{path} is not an image")
    return data_uri(Path(path).read_bytes(), mimetype)


def _cell(value, column, spec):
    """Write one value of a table, as text or as HTML."""
    if isinstance(value, Measured):
        mean = format(value, spec or ("+.3f" if value.signed else ".3f"))
        bold = value.signed and not value.undecided
        html = "<strong>{}</strong> <small>{}</small>" if bold else "{} <small>{}</small>"
        return Markup(html).format(mean, value.interval(spec.lstrip("+") or ".3f"))
    if pd.isna(value):
        return "–"
    if isinstance(value, Real) and not isinstance(value, bool):
        return number(value, spec or ("d" if isinstance(value, Integral) else ".3f"))
    if column == "verdict":
        return Markup('<span class="verdict {}">{}</span>').format(value.replace(" ", "-"), value)
    return format(value, spec)


def _faults(page):
    """List what keeps a page from standing alone and being read by everyone."""
    soup = BeautifulSoup(page, "html.parser")
    css = [tag.get_text() for tag in soup.select("style")]
    css += [tag["style"] for tag in soup.select("[style]")]
    loaded = re.findall(r"(?:@import|url\()\s*['\"]?([^'\")\s]*)", " ".join(css))
    for tag in soup.find_all(True):
        names = LOADING if tag.name in ("a", "area") else LOADING | {"href"}
        loaded += [tag[name] for name in names & tag.attrs.keys()]
    anchors = [tag["id"] for tag in soup.select("[id]")]
    links = [unquote(link["href"][1:]) for link in soup.select('a[href^="#"]')]
    alts = [image.get("alt", "").strip() for image in soup.select("img")]
    return [
        *(["it has no title"] if not soup.h1.get_text(strip=True) else []),
        *(f"it loads {value[:80]}" for value in loaded if not value.startswith(("data:", "#"))),
        *(f"the anchor #{name} is there twice" for name in {*anchors} if anchors.count(name) > 1),
        *(f"a link leads to #{link}, which is not there" for link in links if link not in anchors),
        *("an image has no alternative text" for alt in alts if alt in NO_ALT),
    ]
