"""The pieces of a page that a notebook shows: figures, tables, notices."""

import base64
import mimetypes
from numbers import Integral, Real
from pathlib import Path

import pandas as pd
from IPython.display import HTML
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from lib.page.values import Measured, number

TEMPLATES = Environment(loader=PackageLoader("lib.page", "template"), autoescape=True)


def figure(picture, *, number, caption, alt, sources=None):
    """Show an image file, its data embedded, as the numbered figure ``#figure-<number>``.

    `picture` is a path, or a dict of paths that stand side by side, by the label below each.
    `sources` maps what is behind it to an address, which is empty where there is no link.
    """
    if not alt.strip():
        raise ValueError(f"figure {number} has no alternative text")
    strip = isinstance(picture, dict)
    images = {name: _embed(path) for name, path in picture.items()} if strip else _embed(picture)
    return piece("figure", number, caption, sources, images, alt)


def table(frame, *, number, caption, sources=None):
    """Show a data frame as the numbered table ``#table-<number>``; `sources` as for `figure`."""
    numbers = frame.map(lambda value: isinstance(value, (Real, Measured)) or pd.isna(value)).all()
    kinds = {name: "number" if numbers[name] else "words" for name in frame}
    records = (row.items() for row in frame.to_dict("records"))
    rows = [[(kinds[name], _cell(value, name)) for name, value in row] for row in records]
    return piece("table", number, caption, sources, kinds, rows)


def notice(text, kind):
    """Show plain text in a box; `kind` is "warning" or "note"."""
    return piece("notice", text, kind)


def piece(name, *values):
    """Fill a macro of template/pieces.html.j2."""
    return HTML(getattr(TEMPLATES.get_template("pieces.html.j2").module, name)(*values))


def data_uri(data, mimetype):
    """Write bytes as an address that holds them."""
    return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"


def _embed(path):
    mimetype = mimetypes.guess_type(path)[0] or ""
    if not mimetype.startswith("image/"):
        raise ValueError(f"{path} is not an image")
    return data_uri(Path(path).read_bytes(), mimetype)


def _cell(value, column):
    """Write a value of a table: a decided difference in bold, a missing value as a dash."""
    if isinstance(value, Measured):
        spec = "+.3f" if value.signed else ".3f"
        bold = value.signed and not value.undecided
        html = "<strong>{}</strong> <small>{}</small>" if bold else "{} <small>{}</small>"
        return Markup(html).format(number(value.mean, spec), value.interval)
    if pd.isna(value):
        return "–"
    if isinstance(value, Real) and not isinstance(value, bool):
        whole = isinstance(value, Integral) or (abs(value) >= 10 and float(value).is_integer())
        return number(value, ".0f" if whole else ".3f")
    if column == "verdict":
        return Markup('<span class="verdict {}">{}</span>').format(value.replace(" ", "-"), value)
    return str(value)
