"""The reviewer's checklist of the report: what is asked of a study, answered from its results."""

import yaml

from lib import findings
from lib.paths import ROOT
from lib.results import made


def read_checklist():
    """Read what is asked and where it is answered.

    Returns
    -------
    list of dict
        title, source and items, each with asked, status, answer and where.
    """
    path = ROOT / "lib" / "report_template" / "checklist.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def facts(profile, record, runs, verdicts):
    """Collect what the answers are made of.

    Parameters
    ----------
    profile : params.Profile
    record : dict
        data.json.
    runs : pandas.DataFrame
        runs.csv.
    verdicts : pandas.DataFrame
        From `claims.with_words`.

    Returns
    -------
    dict of str to object
        A value for each brace of the checklist.
    """
    done = made(runs)
    minutes, parameters = done.minutes.dropna(), done.parameters.dropna()
    tested = done[done.side == "test"].groupby(["arm", "fold"]).seed.nunique()
    fewest, most = tested.min(), tested.max()
    is_real = record["source"] != "phantom"
    return {
        "parameters_low": f"{parameters.min():,.0f}",
        "parameters_high": f"{parameters.max():,.0f}",
        "minutes": f"{minutes.median():.1f}",
        "hours": f"{minutes.sum() / 60:.1f}",
        "frames": sum(record["frames"].values()),
        "videos": len(record["frames"]),
        "rows": record["shape"][0],
        "columns": record["shape"][1],
        "folds": len(profile.settings["grid.folds"]),
        "data_status": "yes" if is_real else "no",
        "data_answer": (
            "The Cell Tracking Challenge offers the images; their digests are recorded."
            if is_real
            else "This page was made from a phantom, not from the challenge's images."
        ),
        "runs_status": "yes" if len(done) == len(runs) else "in part",
        "runs_answer": f"{len(done)} of {len(runs)} planned runs are done.",
        "seeds_status": "yes" if fewest > 1 else "in part",
        "seeds_answer": (
            f"Runs of an arm and fold: {fewest}."
            if fewest == most
            else f"Runs of an arm and fold: {fewest} to {most}; of one run, no spread is known."
        ),
        "processors": "; ".join(sorted(done.processor.dropna().unique())) or "not recorded",
        "dirty": findings.count_dirty(done),
        "verdicts": findings.verdict_sentence(verdicts),
    }


def as_markdown(groups, values):
    """Lay the checklist out as tables.

    Parameters
    ----------
    groups : list of dict
        From `read_checklist`.
    values : dict
        From `facts`.

    Returns
    -------
    str
        Markdown.
    """
    lines = []
    for group in groups:
        lines += [f"### {group['title']}", "", f"From {group['source']}.", ""]
        lines += ["| asked | answer | in words | where |", "|---|---|---|---|"]
        for item in group["items"]:
            links = ", ".join(f"[{name}]({address})" for name, address in item["where"].items())
            status, answer = (item[part].format(**values) for part in ("status", "answer"))
            lines.append(f"| {item['asked']} | {status} | {answer} | {links} |")
        lines.append("")
    return "\n".join(lines)
