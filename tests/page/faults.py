"""What keeps a page from standing alone and being read by everyone."""

import re
from urllib.parse import unquote

from bs4 import BeautifulSoup

from lib.data.files import OUTPUTS

STUDY = OUTPUTS / "study"
PUBLISHED = [STUDY / "report.html", *sorted(STUDY.glob("chapters/*.html"))]
LOADING = {"src", "srcset", "poster", "data", "xlink:href"}
NO_ALT = ("", "No description has been provided for this image")  # by nbconvert


def faults_of(page):
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
    # latex2mathml passes on what it does not know of a formula.
    raw = re.findall(r">(\\[a-zA-Z]+|&)<", page)
    return [
        *(f"it has {part} in a formula" for part in raw),
        *(["it has no title"] if not soup.h1.get_text(strip=True) else []),
        *(f"it loads {value[:80]}" for value in loaded if not value.startswith(("data:", "#"))),
        *(f"the anchor #{name} is there twice" for name in {*anchors} if anchors.count(name) > 1),
        *(f"a link leads to #{link}, which is not there" for link in links if link not in anchors),
        *("an image has no alternative text" for alt in alts if alt in NO_ALT),
    ]
