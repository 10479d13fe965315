"""A page with a piece of each kind, as a browser shows it."""

import shutil
from types import SimpleNamespace

import nbformat.v4 as nbf
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect, sync_playwright

from lib.page import export, html, pictures, plots
from lib.page.style import save_figure
from lib.page.values import Measured
from tests.page.faults import PUBLISHED

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
IMAGE = np.arange(4096, dtype=np.uint16).reshape(64, 64)
LABELS = np.kron(np.arange(4).reshape(2, 2), np.ones((32, 32), int)).astype(np.uint16)
RESULTS = SimpleNamespace(
    folds=["one", "two"],
    examples=lambda arm, fold: {"first": {"video": fold, "frame": 0, "cells": CELLS[arm]}},
    frame=lambda video, number: (np.roll(IMAGE, 640 * (video == "two")), LABELS),
)
CELLS = {"a": LABELS, "b": 0 * LABELS}
PROSE = r"""## Formulas

$$w(x) = w_c(x) + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2\sigma^2}\right)$$

```python
print("code", 1)  # why
```

| asked | answer |
|---|---|
| one | two |

## A section with `code` in its heading

See [Figure 1](#figure-1) and [Table 1](#table-1).
"""


def code(*outputs, tags=()):
    shown = [
        {"text/markdown": output} if isinstance(output, str) else {"text/html": output.data}
        for output in outputs
    ]
    outputs = [nbf.new_output("display_data", data) for data in shown]
    return nbf.new_code_cell("x = 1", outputs=outputs, metadata={"tags": list(tags)})


def write_sample(folder):
    """Write a page that has whatever the pages of a profile have."""
    score = {"arm": "a", "mean": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n_seeds": 3, "metric": "seg"}
    look = {"words": {"a": "a network"}, "colours": {"a": "#1f77b4"}, "metrics": {"seg": "SEG"}}
    save_figure(plots.interval_plot(pd.DataFrame([score]), **look), folder / "a.svg")
    six = {f"picture {n}": np.roll(IMAGE, n) for n in range(6)}
    six = pictures.save_strip(six, folder / "six.png")
    wide = pd.DataFrame({f"a long column {n}": ["some words", "others"] for n in range(12)})
    verdicts = ["reproduced", "partly", "not reproduced", "contradicted", "void", "unheard of"]
    judged = pd.DataFrame(
        {"claim": list("abcdef"), "F1": [Measured(0.2, 0.1, 0.3, signed=True)] * 6}
    )
    answers = [
        f"**Question {n}, in a few words?** An answer in a sentence or two." for n in range(5)
    ]
    strip = html.figure(six, number="7", caption="A frame. " * 9, alt="A frame six times")
    figure = html.figure(
        folder / "a.svg", number="1", caption="A.", alt="A", sources={"a.csv": "a"}
    )
    cells = [
        nbf.new_markdown_cell("# A finding that takes a line or two as the title of its page"),
        nbf.new_markdown_cell("Who, when, [code](a), [data](b).", metadata={"tags": ["byline"]}),
        code(*answers, strip, tags=["lead"]),
        nbf.new_markdown_cell(PROSE),
        code(html.notice("Something to note.", "note"), html.notice("Beware of it.", "warning")),
        code(figure),
        code(html.table(judged.assign(verdict=verdicts), number="1", caption="Verdicts.")),
        code(html.table(wide, number="2", caption="Wide.")),
        code(pictures.viewer(RESULTS, {"a": "a", "b": "b"}, number="2", caption="Frames.")),
        *(nbf.new_markdown_cell(f"## More {n}\n\n" + "Text. " * 900) for n in range(3)),
    ]
    page = folder / "sample.html"
    (folder / "sample.ipynb").write_text(nbf.writes(nbf.new_notebook(cells=cells)), "utf-8")
    nav = {"Report": page} | {f"{n} A chapter": folder / f"{n}.html" for n in range(1, 7)}
    export.write_page(folder / "sample.ipynb", page, nav=nav)
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, opened; what it said and asked for is kept with it."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            # A sandbox of its own is not to be had for root and in many containers; the pages are
            # ours. Without a path it is the browser of `playwright install chromium`.
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium to show the pages in: {error}")
        opened = browser.new_page()
        opened.said, opened.asked = [], []
        opened.on("console", lambda message: opened.said.append(message.text))
        opened.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto(write_sample(tmp_path_factory.mktemp("browser")).as_uri())
        yield opened
        browser.close()


@pytest.fixture
def wide(page):
    """The page as it is first met on a wide screen."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light", media="screen")
    page.evaluate("scrollTo(0, 0)")
    return page


def show(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)


def test_no_error_and_no_request_outside_the_file(wide):
    wide.mouse.wheel(0, 100000)
    wide.wait_for_timeout(200)
    assert wide.said == []
    outside = [url for url in wide.asked if not url.startswith("data:")]
    assert [url.rpartition("/")[2] for url in outside] == ["sample.html"]


def test_first_screen_holds_title_answers_and_pictures(wide):
    assert wide.locator(".strip").bounding_box()["y"] > 300
    caption = wide.locator("#figure-7 figcaption").bounding_box()
    assert caption["y"] + caption["height"] < 900
    tops = wide.locator(".strip img").evaluate_all(
        "all => all.map(i => i.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == 1


def test_every_picture_is_shown(wide):
    broken = "images => images.filter(image => !image.naturalWidth).map(image => image.alt)"
    assert wide.locator("main img").evaluate_all(broken) == []
    assert wide.locator("main figure:not([id^=figure-])").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (375, "dark")])
def test_page_fits_and_follows_the_readers_colours(wide, width, scheme):
    show(wide, width, scheme)
    assert wide.evaluate("document.documentElement.scrollWidth") == width
    ground = wide.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.strip("rgb()").split(","))) > 600) == (scheme == "light")
    panel = wide.locator(".lines img").evaluate("image => getComputedStyle(image).backgroundColor")
    assert (panel == "rgb(255, 255, 255)") == (scheme == "dark")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (375, "dark")])
def test_axe_finds_no_violation(wide, width, scheme):
    show(wide, width, scheme)
    wide.locator("nav summary").click()
    found = Axe().run(wide).response
    wide.keyboard.press("Escape")
    assert len(found["passes"]) > 20
    assert [(fault["id"], fault["help"]) for fault in found["violations"]] == []


def test_keys_lead_past_the_bar_and_through_the_contents(wide):
    wide.locator(".skip").focus()
    expect(wide.locator(".skip")).to_be_in_viewport()
    wide.keyboard.press("Enter")
    expect(wide.locator("main")).to_be_focused()
    summary, link = wide.locator("nav summary"), wide.locator("nav ol a").last
    summary.focus()
    wide.keyboard.press("Enter")
    link.focus()
    wide.keyboard.press("Enter")
    expect(link).to_be_hidden()
    target = wide.evaluate(
        "document.getElementById(decodeURIComponent(location.hash.slice(1)))"
        ".getBoundingClientRect().top"
    )
    assert 0 <= target < 900
    summary.click()
    wide.keyboard.press("Escape")
    expect(link).to_be_hidden()


def test_switch_opens_all_code(wide):
    opened = wide.locator(".cell > details[open]")
    assert opened.count() == 0
    wide.locator("nav summary").click()
    wide.get_by_role("switch").focus()
    wide.keyboard.press("Space")
    assert opened.count() == wide.locator(".cell > details").count() > 0
    wide.keyboard.press("Space")
    assert opened.count() == 0
    wide.keyboard.press("Escape")


def test_viewer_answers_the_keyboard(wide):
    box = wide.locator(".viewer")
    stage, image, found = (box.locator(name) for name in (".stage", ".image", ".found"))
    edge = "stage => getComputedStyle(stage).getPropertyValue('--wipe')"
    box.locator("[name=wipe]").focus()
    wide.keyboard.press("ArrowRight")
    assert stage.evaluate(edge) == "51%"
    first, outlines = image.get_attribute("src"), found.get_attribute("src")
    for control in ("frame", "arm"):
        box.locator(f"[name={control}]").focus()
        wide.keyboard.press("ArrowDown")
    assert image.get_attribute("src") != first
    assert found.get_attribute("src") != outlines
    box.locator("[name=outlines]").focus()
    wide.keyboard.press("Space")
    assert not box.locator(".truth").is_visible()
    wide.keyboard.press("Space")
    assert box.locator(".truth").is_visible()


def test_printed_page_has_neither_bar_nor_controls(wide):
    wide.emulate_media(media="print")
    assert not wide.locator("nav").is_visible()
    assert not wide.locator(".viewer .controls").is_visible()
    assert wide.locator(".viewer .image").is_visible()


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_pages_fit_and_axe_finds_no_violation(page, path):
    opened = page.context.browser.new_page()
    opened.goto(path.as_uri())
    for width, scheme in ((1440, "light"), (375, "dark")):
        show(opened, width, scheme)
        assert opened.evaluate("document.documentElement.scrollWidth") == width
        faults = Axe().run(opened).response["violations"]
        assert [(fault["id"], fault["nodes"][0]["target"]) for fault in faults] == []
    opened.close()


def test_the_report_is_at_most_12000_px_high(page):
    opened = page.context.browser.new_page()
    show(opened, 1440, "light")
    opened.goto(PUBLISHED[0].as_uri())
    assert opened.evaluate("document.documentElement.scrollHeight") <= 12_000
    opened.close()
