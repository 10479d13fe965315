"""An executed notebook as one HTML file, with formulas that need no script."""

import os
import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from lib.data.files import write_text

# A widget or a script has a text/plain form beside it, which needs nothing from outside.
SHOWN = {"display_data_priority": ["text/html", "text/markdown", "image/png", "text/plain"]}
LOADING = {"src", "srcset", "poster", "data", "xlink:href"}
NO_ALT = ("", "No description has been provided for this image")  # by nbconvert


def write_page(notebook, page, *, description="", picture="", nav=None, code=True):
    """Write an executed notebook as one HTML page that loads nothing from outside itself.

    `description` and `picture`, a path, are what a shared link shows; `nav` maps what links are
    called to pages. Code is folded, or not there without `code`, as that of ``parameters`` never
    is. ValueError names every fault of the page, or a formula; the page before then stays.
    """
    renderer = _Renderer(escape=False, embed_images=True, path=str(notebook.parent))
    renderer.headings = []
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        filters={"markdown2html": MarkdownWithMath(renderer).render},
        config=Config(NbConvertBase=SHOWN),
    )
    exporter.environment.globals["headings"] = renderer.headings  # of resources it takes a copy
    about = {"here": page.name, "description": description, "code": code}
    about["picture"] = picture and os.path.relpath(picture, page.parent)
    about["nav"] = {name: os.path.relpath(it, page.parent) for name, it in (nav or {}).items()}
    text = exporter.from_filename(str(notebook), about)[0]
    if faults := _faults(text):
        raise ValueError(f"no page from {notebook}: " + "; ".join(faults))
    write_text(page, text)


class _Renderer(IPythonRenderer):
    """Markdown with MathML for formulas, and the headings noted for the table of contents."""

    def heading(self, text, level, **attrs):
        """Write a heading with its anchor; the first of level 1 is the title, kept for the page."""
        anchor = "-".join(unescape(re.sub(r"<[^>]+>", "", text)).split())  # as JupyterLab does
        heads = level == 1 and not any(other["level"] == 1 for other in self.headings)
        self.headings.append({"level": level, "id": anchor, "html": text})
        link = f'<a class="anchor" href="#{quote(anchor)}" aria-label="Link to this section">#</a>'
        return "" if heads else f'<h{level} id="{escape(anchor)}">{text}{link}</h{level}>\n'

    def inline_math(self, body):
        return _mathml(body, "inline")

    def block_math(self, body):
        box = '<span class="equation" role="group" tabindex="0" aria-label="Formula">'
        return f"{box}{_mathml(body, 'block')}</span>"

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
