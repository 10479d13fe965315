"""The numbered figures of the report: what stands under each and what describes it."""

import yaml

from lib import report
from lib.paths import ROOT


def show(outputs, name, **values):
    """Show a figure of a profile with its number, caption, description and data.

    Parameters
    ----------
    outputs : Path
        Outputs of the profile.
    name : str
        Name of the figure in report_template/figures.yaml, and of its file.
    **values
        What the braces of the caption stand for.

    Returns
    -------
    IPython.display.HTML
    """
    text = (ROOT / "lib" / "report_template" / "figures.yaml").read_text(encoding="utf-8")
    entry = yaml.safe_load(text)[name]
    return report.figure(
        outputs / "figures" / f"{name}.{entry.get('format', 'png')}",
        number=entry["number"],
        caption=entry["caption"].format(**values),
        alt=entry["alt"],
        sources={path.removeprefix("../../"): _folder(path) for path in entry.get("sources", [])},
    )


def _folder(path):
    """Address of a file, or of the folder that holds all that a pattern names."""
    return path.partition("*")[0]
