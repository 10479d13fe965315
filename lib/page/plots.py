"""Figures of lines and dots, as matplotlib Figures for `lib.page.style.save_figure`.

Tables name the arms. `words` and `colours` are dicts by arm, in the order that arms have on the
page; `label` is that of the axis of the values.
"""

import math
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lib.page.style import GREY, INK, legible, style
from lib.page.values import number

LN2 = math.log(2)  # the loss of a network that answers one half everywhere
SIDES = {"training": 0.4, "validation": 1}  # and how strong a line of it is
AT_RIGHT = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}


@style()
def curves_panel(rows, *, words, colours, label, ylim, plateau=False):
    """Draw Figure 5 or 6: training curves, an arm a column, what was published above ours.

    `rows` maps the title of a row to its curves: arm, run, side (training or validation), epoch,
    value. `plateau` marks ln 2.
    """
    figure = Figure(figsize=(8, 5))
    panels = figure.subplots(len(rows), len(words), squeeze=False, sharex=True, sharey=True)
    for line, (title, curves) in zip(panels, rows.items(), strict=True):
        for panel, (arm, name) in zip(line, words.items(), strict=True):
            for (_, side), run in curves[curves.arm == arm].groupby(["run", "side"]):
                panel.plot(run.epoch, run.value, alpha=SIDES[side], color=colours[arm], lw=1.2)
            panel.set_title(f"{title}: {name}", color=legible(colours[arm]))
            panel.grid(axis="y")
            if plateau:
                panel.axhline(LN2, color=GREY, lw=0.9, ls=":")
    if plateau:
        panels[0, -1].annotate("ln 2", (1, LN2), ha="right", va="bottom", color=GREY, **AT_RIGHT)
    figure.supxlabel("epoch")
    figure.supylabel(label)
    panels[0, 0].set(ylim=ylim)
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], color=INK, alpha=alpha, lw=1.2) for alpha in SIDES.values()]
    figure.legend(handles, SIDES, loc="outside upper right", ncols=2)
    return figure


@style()
def history_plot(history):
    """Draw loss and F1 of one training by epoch, on training and validation frames."""
    figure = Figure(figsize=(8, 2.8))
    for panel, name in zip(figure.subplots(1, 2), ("loss", "f1"), strict=True):
        for side, column in (("training", name), ("validation", f"val_{name}")):
            panel.plot(history.epoch, history[column], color=INK, alpha=SIDES[side], label=side)
        panel.set(xlabel="epoch", ylabel={"f1": "F1"}.get(name, name))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    # Running averages that have not settled make the first validation losses huge.
    figure.axes[0].set_ylim(0, 1.4)
    panel.legend()
    return figure


@style()
def f1_by_update(curves, *, words, colours, label, dashed=()):
    """Draw a score by update: a thin line a run, each arm named at the end of its longest run.

    `curves` has arm, run, updates, value; `dashed` are names in it that are no arms of ours.
    """
    figure = Figure(figsize=(8, 3.8))
    panel, ends = figure.subplots(), {}
    for arm, runs in curves.groupby("arm", sort=False):
        for _, run in runs.groupby("run"):
            line = "--" if arm in dashed else "-"
            panel.plot(run.updates, run.value, line, color=colours[arm], lw=1.2)
        ends[arm] = runs.sort_values("updates").iloc[-1]
    panel.set(xscale="log", ylim=(0, 1), xlabel="updates", ylabel=label)
    panel.grid(axis="y")
    heights = _spread({arm: end.value for arm, end in ends.items()}, gap=0.075)
    for arm, end in ends.items():
        line = {"arrowstyle": "-", "color": colours[arm], "lw": 0.6, "ls": ":"}
        look = {"color": legible(colours[arm]), "va": "center", "arrowprops": line}
        at = {"xytext": (1.03, heights[arm]), "textcoords": panel.get_yaxis_transform()}
        panel.annotate(words[arm], (end.updates, end.value), **at, **look)
    return figure


@style()
def effect_plot(effects, *, pairs, metrics, colours):
    """Draw differences of arms: a pair a row, its measures side by side on one scale.

    `effects` has arm, against, metric, mean, ci_low, ci_high, n_seeds, of one fold; `pairs` maps
    (arm, against) to words, `metrics` a metric to its title. The dot of a single run is hollow.
    """
    figure = Figure(figsize=(9, 1.1 + 0.45 * len(pairs)))
    panels = figure.subplots(1, len(metrics), squeeze=False, sharex=True, sharey=True)[0]
    rows = {(row.arm, row.against, row.metric): row for row in effects.itertuples()}
    for panel, (metric, title) in zip(panels, metrics.items(), strict=True):
        _lay_rows(panel, pairs.values())
        panel.axvline(0, color=INK, lw=1)
        panel.set_title(title, weight="bold", pad=8)
        for place, pair in enumerate(pairs):
            if row := rows.get((*pair, metric)):
                _draw_interval(panel, place, row, colours[row.arm], "+.3f")
    return figure


@style()
def ladder(scores, *, words, colours, label, ceilings=()):
    """Draw a score from the floor to the ceiling, a row an arm.

    `scores` has arm, mean, ci_low, ci_high, n_seeds, of one fold and metric. What has no colour is
    no network, a grey square; a dotted line through all rows marks the score of `ceilings`.
    """
    rows = {row.arm: row for row in scores.itertuples()}
    shown = [arm for arm in words if arm in rows]
    figure = Figure(figsize=(8, 1.1 + 0.34 * len(shown)))
    panel = figure.subplots()
    _lay_rows(panel, [words[arm] for arm in shown])
    for place, arm in enumerate(shown):
        _draw_interval(panel, place, rows[arm], colours.get(arm), ".3f")
        if arm in ceilings:
            panel.axvline(rows[arm].mean, color=GREY, lw=1, ls=":")
    panel.set(xlim=(0, 1), xlabel=label)
    return figure


@style()
def run_dots(runs, *, words, colours, label, legend, published):
    """Draw every run as a dot, filled where it sees cells and hollow where it does not.

    `runs` has arm, value, sees_cells; `legend` says what a filled dot, a hollow one and the line at
    a published score are, which `published` has by arm.
    """
    figure = Figure(figsize=(8, 1.3 + 0.42 * len(words)))
    panel = figure.subplots()
    _lay_rows(panel, words.values())
    for place, arm in enumerate(words):
        own = runs[runs.arm == arm].sort_values("value").reset_index()
        for run in own.itertuples():  # neighbours at two heights, so that each is seen
            look = {"color": colours[arm], "mfc": colours[arm] if run.sees_cells else "white"}
            panel.plot(run.value, place + (0.12 if run.Index % 2 else -0.12), "o", ms=7, **look)
        if arm in published:
            panel.plot(published[arm], place, "|", color=INK, ms=22, mew=1.6)
    dot = {"ls": "", "marker": "o", "mec": GREY, "ms": 7}
    signs = {"mfc": GREY}, {"mfc": "white"}, {"mec": INK, "marker": "|", "ms": 12}
    handles = [Line2D([], [], **dot | sign) for sign in signs]
    figure.legend(handles, legend, loc="outside lower center", ncols=3)
    panel.set(xlim=(-0.02, 1), xlabel=label)
    return figure


def _lay_rows(panel, names):
    """Lay rows out from the top, every second one shaded, with the axis above them, too."""
    panel.set_yticks(range(len(names)), [fill(name, 42) for name in names])
    panel.set_ylim(len(names) - 0.5, -0.5)
    for place in range(0, len(names), 2):
        panel.axhspan(place - 0.5, place + 0.5, color="#f4f6f8", lw=0, zorder=0)
    panel.tick_params(left=False, top=True, labeltop=True)
    panel.spines[:].set_visible(False)
    panel.grid(axis="x")


def _draw_interval(panel, place, row, colour, spec):
    """Draw a mean and its interval, and write it at the right."""
    look = {"color": colour or GREY, "marker": "o" if colour else "s", "ms": 6.5}
    look["mfc"] = "white" if row.n_seeds == 1 and colour else look["color"]
    panel.plot([row.ci_low, row.ci_high], [place, place], color=look["color"], lw=2.2)
    panel.plot(row.mean, place, **look)
    panel.annotate(number(row.mean, spec), (1.02, place), va="center", **AT_RIGHT)


def _spread(heights, gap):
    """Move heights between 0 and 1 apart to at least a gap, keeping their order."""
    placed, last = {}, -gap
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        last = placed[name] = max(height, last + gap)
    last = 1 + gap
    for name in reversed(placed):  # what was pushed out at the top pushes the others down
        last = placed[name] = min(placed[name], last - gap)
    return placed
