"""Tables of training curves, published and ours, for `lib.page.plots`."""

from lib.data.files import PARAMS, read_table


def published_curves(metric):
    """Read a published curve, loss or f1: arm, run, side, epoch, value."""
    curves = read_table(PARAMS / "published_curves.csv").rename(columns={"split": "side"})
    return curves[curves.metric == metric].assign(run=0)


def own_curves(results, metric, arms, fold):
    """Take curves of our runs as those of published arms: `arms` maps published names to ours."""
    runs = results.histories
    runs = runs[runs.fold == fold].rename(
        columns={metric: "training", f"val_{metric}": "validation"}
    )
    runs = runs.assign(arm=runs.arm.map({ours: name for name, ours in arms.items()}), run=runs.seed)
    curves = runs.dropna(subset="arm")
    return curves.melt(["arm", "run", "epoch"], ["training", "validation"], var_name="side")


def curves_by_update(results, metric, arms, fold):
    """Take validation curves of our runs by update: arm, run, updates, value."""
    runs = results.histories
    runs = runs[(runs.fold == fold) & runs.arm.isin(arms)].rename(
        columns={f"val_{metric}": "value"}
    )
    order = {arm: place for place, arm in enumerate(arms)}
    runs = runs.sort_values("arm", key=lambda names: names.map(order), kind="stable")
    return runs.assign(run=runs.seed)[["arm", "run", "updates", "value"]]
