"""An executed notebook as HTML, with formulas that need no script."""

import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters import markdown_mistune as markdown
from traitlets.config import Config

# A widget or a script has a text/plain form beside it, which needs nothing from outside.
SHOWN = {"display_data_priority": ["text/html", "text/markdown", "image/png", "text/plain"]}
# A dollar opens a formula only before a non-space and closes it only after one and not before a
# digit (Pandoc's rule), and no formula holds a backtick: so `$5 and $6` and code stay as they are.
INLINE_FORMULA = r"(?<![\\$])\$(?![\s$])(?P<math_inline_tex>(?:\\.|[^\\$`])+?(?<!\s))\$(?![\d$])"
DISPLAY_FORMULA = r"(?<!\\)\$\$(?P<math_block_tex>[^$`]+)\$\$"
FORMULA_LINES = r"^ {0,3}\$\$[^$`]+\$\$"


def render(notebook, resources):
    """Fill template/index.html.j2 with a notebook and what it asks for."""
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        filters={"markdown2html": _markdown2html},
        config=Config(NbConvertBase=SHOWN),
    )
    return exporter.from_filename(str(notebook), resources)[0]


class _Renderer(markdown.IPythonRenderer):
    """Markdown with MathML for formulas, and the headings noted for the table of contents."""

    def heading(self, text, level, **attrs):
        text = re.sub(r"</?a\b[^>]*>", "", text)
        base = "-".join(unescape(re.sub(r"<[^>]+>", "", text)).split())  # as JupyterLab does
        repeats = sum(other["base"] == base for other in self.headings)
        anchor = f"{base}-{repeats + 1}" if repeats else base
        heads = level == 1 and not self.headings  # the page
        level = level if heads else max(level, 2)
        self.headings.append({"level": level, "base": base, "id": anchor, "html": text})
        link = f'<a class="anchor" href="#{quote(anchor)}" aria-label="Link to this section">#</a>'
        return "" if heads else f'<h{level} id="{escape(anchor)}">{text}{link}</h{level}>\n'

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
    resources = context["resources"]
    renderer = _Renderer(escape=False, embed_images=True, path=resources["metadata"]["path"])
    renderer.headings = resources["headings"]
    block, inline = markdown.MathBlockParser(), markdown.MathInlineParser()
    block.specification["multiline_math"] = FORMULA_LINES
    inline.specification["block_math_tex"] = DISPLAY_FORMULA
    inline.specification["inline_math_tex"] = INLINE_FORMULA
    return markdown.MarkdownWithMath(renderer, block, inline).render(source)
