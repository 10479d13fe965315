"""The pages as a browser shows them: the published report, and one with a piece of each kind."""

import shutil
import time

import nbformat.v4 as nbf
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect, sync_playwright

from lib import report, viewer
from lib.paths import OUTPUTS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PUBLISHED = OUTPUTS / "study" / "report.html"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'
PROSE = r"""# Title

See [Figure 1](#figure-1) and [Table 1](#table-1).

## Formulas

$$w(x) = w_c(x) + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2\sigma^2}\right)$$

## A section with `code` in its heading

```python
print("code")
```

| asked | answer |
|---|---|
| one | two |

| asked | answer |
|---|---|
| three | four |
"""
FRAMES = {
    f"frame {number}": {
        "image": np.roll(np.arange(4096.0), 64 * number).reshape(64, 64),
        "labels": np.kron(np.arange(4).reshape(2, 2), np.ones((32, 32), int)),
        "found": {"none": np.eye(64, dtype=int), "gap": np.ones((64, 64), int)},
    }
    for number in (1, 2)
}
# Observed, not polled: the page's policy lets no polling script be evaluated.
FIRST_PAINT = """new Promise(done => new PerformanceObserver(entries => {
    const [paint] = entries.getEntriesByName("first-contentful-paint");
    if (paint) done(paint.startTime);
}).observe({type: "paint", buffered: true}))"""


def write_sample(folder):
    """Write a page that has whatever the report has."""
    (folder / "a.svg").write_text(SVG)
    wide = pd.DataFrame({f"a long column {n}": ["reproduced", "partly"] for n in range(12)})
    shown = [
        report.notice("Something to note.", "note"),
        report.notice("Something to beware of.", "warning"),
        report.figure(
            folder / "a.svg", number="1", caption="A.", alt="A square", sources={"a.csv": "a.csv"}
        ),
        report.table(wide.assign(verdict=wide.iloc[:, 0]), number="1", caption="Verdicts."),
        viewer.show(FRAMES, "none", number="2", caption="Frames."),
    ]
    outputs = [nbf.new_output("display_data", {"text/html": html.data}) for html in shown]
    cells = [nbf.new_code_cell("x = 1", outputs=[output]) for output in outputs]
    sections = [nbf.new_markdown_cell("## More\n\n" + "Text. " * 900) for _ in range(3)]
    notebook = nbf.new_notebook(cells=[nbf.new_markdown_cell(PROSE), *cells, *sections])
    (folder / "sample.ipynb").write_text(nbf.writes(notebook), encoding="utf-8")
    report.write_report(
        folder / "sample.ipynb", folder / "sample.html", title="A title", footer="[Runs](runs/)."
    )
    return folder / "sample.html"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            # A sandbox of its own is not to be had for root and in many containers; the pages are
            # ours. Without a path it is the browser of `playwright install chromium`.
            started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium to show the pages in: {error}")
        yield started
        started.close()


@pytest.fixture(scope="module", params=["sample", "published"])
def page(request, browser, tmp_path_factory):
    """A page, opened; what it said and asked for is kept with it."""
    path = PUBLISHED
    if request.param == "sample":
        path = write_sample(tmp_path_factory.mktemp("browser"))
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    start = time.perf_counter()
    opened.goto(path.as_uri(), wait_until="domcontentloaded")
    opened.seconds = time.perf_counter() - start
    opened.size = path.stat().st_size
    yield opened
    opened.close()


@pytest.fixture
def wide(page):
    """The page as it is first met on a wide screen."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    page.evaluate("scrollTo(0, 0)")
    return page


def colour(page, what="background-color"):
    return page.evaluate(f"getComputedStyle(document.body).getPropertyValue('{what}')")


def test_page_is_small_and_soon_readable(page):
    assert page.size < 25e6
    assert page.evaluate(FIRST_PAINT) < 2000
    assert page.seconds < 10  # all of it, on a machine that may be busy with tests


def test_no_error_and_no_request_outside_the_file(wide):
    wide.mouse.wheel(0, 100000)
    wide.wait_for_timeout(200)
    assert wide.said == []
    assert [url for url in wide.asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in wide.asked if url.startswith("file:")]) == 1


def test_every_figure_has_its_description_and_its_number(wide):
    assert wide.locator("figure").count() >= 2
    assert wide.locator("img:not([alt]), img[alt='']").count() == 0
    assert wide.locator("main figure:not([id^=figure-])").count() == 0
    broken = "images => images.filter(image => !image.naturalWidth).map(image => image.alt)"
    assert wide.locator("main img").evaluate_all(broken) == []


def test_contents_and_cross_references_land(wide):
    links = wide.locator("a[href^='#']:not(.skip)")
    hashes = links.evaluate_all("links => links.map(link => link.hash)")
    assert len(hashes) > 3
    for target in dict.fromkeys(hashes):
        wide.evaluate("hash => { location.hash = ''; location.hash = hash; }", target)
        top, end = wide.evaluate(
            "id => { const box = document.getElementById(decodeURIComponent(id))"
            ".getBoundingClientRect(); return [box.top, innerHeight - box.top]; }",
            target[1:],
        )
        assert top >= 0, target
        assert end > 0, target


def test_nothing_cuts_a_table_that_uses_the_margin(wide):
    tables = wide.locator(".output > .scroll")
    around = "boxes => boxes.map(box => getComputedStyle(box.parentElement).overflowX)"
    assert set(tables.evaluate_all(around)) == {"visible"}


def test_contents_mark_the_section_in_view(wide):
    last = wide.locator("nav a").last
    last.click()
    expect(last).to_have_attribute("aria-current", "true")
    assert wide.locator("nav a[aria-current]").count() == 1
    assert wide.locator("nav").bounding_box()["y"] == pytest.approx(0, abs=1)


def test_switch_opens_all_code(wide):
    code = wide.locator(".cell > details")
    assert wide.locator(".cell > details[open]").count() == 0
    wide.get_by_role("switch").focus()
    wide.keyboard.press("Space")
    assert wide.locator(".cell > details[open]").count() == code.count() > 0
    wide.keyboard.press("Space")
    assert wide.locator(".cell > details[open]").count() == 0


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_and_follows_the_readers_colours(wide, width, scheme):
    wide.set_viewport_size({"width": width, "height": 800})
    wide.emulate_media(color_scheme=scheme)
    assert wide.evaluate("document.documentElement.scrollWidth") == width
    ground = [int(part) for part in colour(wide).strip("rgb()").split(",")]
    assert (sum(ground) > 600) == (scheme == "light")


def test_narrow_screen_folds_the_contents_and_opens_them_by_key(wide):
    wide.set_viewport_size({"width": 375, "height": 800})
    link = wide.locator("nav a").first
    expect(link).to_be_hidden()
    wide.locator("nav summary").focus()
    wide.keyboard.press("Enter")
    expect(link).to_be_visible()
    link.click()
    expect(link).to_be_hidden()


def test_viewer_answers_the_keyboard(wide):
    box = wide.locator(".viewer")
    stage, image = box.locator(".stage"), box.locator(".image")
    edge = "stage => getComputedStyle(stage).getPropertyValue('--wipe')"
    box.locator("[name=wipe]").focus()
    before = stage.evaluate(edge)
    wide.keyboard.press("ArrowRight")
    assert float(stage.evaluate(edge).strip("%")) == float(before.strip("%")) + 1
    first = image.get_attribute("src")
    box.locator("[name=frame]").focus()
    wide.keyboard.press("ArrowDown")
    assert image.get_attribute("src") != first
    found = box.locator(".found").get_attribute("src")
    arms = box.locator("[name=arm]")
    chosen = arms.evaluate("arms => arms.selectedIndex")
    arms.focus()
    wide.keyboard.press("ArrowUp" if chosen else "ArrowDown")
    assert box.locator(".found").get_attribute("src") != found
    box.locator("[name=outlines]").focus()
    wide.keyboard.press("Space")
    assert not box.locator(".truth").is_visible()
    wide.keyboard.press("Space")
    assert box.locator(".truth").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_axe_finds_no_violation_that_matters(wide, width, scheme):
    wide.set_viewport_size({"width": width, "height": 900})
    wide.emulate_media(color_scheme=scheme)
    found = Axe().run(wide).response
    assert len(found["passes"]) > 20
    # What a picture in a scrolling box hides from it, axe can't judge; that is not a violation.
    assert [(fault["id"], fault["help"]) for fault in found["violations"]] == []


def test_printed_page_has_neither_contents_nor_controls(wide):
    wide.emulate_media(media="print")
    assert not wide.locator("nav").is_visible()
    assert not wide.locator(".viewer .controls").is_visible()
    assert wide.locator(".viewer .image").is_visible()
    wide.emulate_media(media="screen")
