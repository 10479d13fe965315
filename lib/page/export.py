"""An executed notebook as one HTML file, with formulas that need no script."""

import os
import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from lib.data.files import write_text

# A widget or a script has a text/plain form beside it, which needs nothing from outside.
SHOWN = {"display_data_priority": ["text/html", "text/markdown", "image/png", "text/plain"]}


def write_page(notebook, page, *, description="", picture="", nav=None, code=True):
    """Write an executed notebook as one HTML page that loads nothing from outside itself.

    `description` and `picture`, a path, are what a shared link shows; `nav` maps what links are
    called to pages. Code is folded, or not there without `code`, as that of ``parameters`` never
    is. A page that cannot be written leaves the one before as it is.
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
        return convert(body)

    def block_math(self, body):
        box = '<span class="equation" role="group" tabindex="0" aria-label="Formula">'
        return f"{box}{convert(body.replace('{aligned}', '{split}'), display='block')}</span>"

    def table(self, text):
        box = '<div class="scroll" role="group" tabindex="0" aria-label="Table">'
        return f"{box}<table>{text}</table></div>\n"
