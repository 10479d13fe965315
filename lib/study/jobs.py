"""What is still to be done in a profile, and why: runs, references, pages."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass

from lib.data.files import NOTEBOOKS, PARAMS, ROOT, StateError, relative
from lib.study.runs import locate, plan, why

CHAPTERS = ("01_data", "02_augmentation", "03_weight_maps", "04_training")
# These read what the runs left, and the rules.
SUMMARIES = ("05_evaluation", "06_report")
RULES = ("claims.yaml", "published.csv", "published_curves.csv")


def fingerprint(page, profile, record, runs):
    """Name what a page is made from: its notebook, the data, and the runs it reads.

    Not the code of lib/: a change there that changes no number needs no new page, and
    `make report` writes them all anew.
    """
    cards = {arm: card.model_dump() for arm, card in profile.cards.items()}
    content = [_text(NOTEBOOKS / f"{page}.ipynb"), record["digests"], cards]
    content.append(profile.settings.model_dump())
    if page in SUMMARIES:
        content.append([run.name for run in runs if locate(run, profile)])
        content += [_text(PARAMS / name) for name in RULES]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _text(path):
    return path.read_text(encoding="utf-8")


def page_path(page, outputs):
    """Where a notebook is shown as a page."""
    return outputs / ("report.html" if page == "06_report" else f"chapters/{page}.html")


def page_is_done(page, outputs, wanted):
    """Whether a page is there and was made from what it would be made from now."""
    try:
        notebook = json.loads((outputs / "notebooks" / f"{page}.ipynb").read_text(encoding="utf-8"))
        return (
            notebook["metadata"]["study"]["fingerprint"] == wanted
            and page_path(page, outputs).is_file()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def references_key(record, runs):
    """Name what the scores of baselines and ceilings depend on."""
    folds = sorted({run.fold for run in runs})
    sizes = sorted({run.settings.image.size for run in runs})
    split = runs[0].settings.split.model_dump() if runs else {}
    content = json.dumps([record["digests"], folds, sizes, split], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """Something still to be done: a run, the references or a page, and why."""

    kind: str
    name: str
    target: str
    needs: tuple
    why: str


def jobs(profile, record):
    """List what is still to be done, each with what it waits for."""
    outputs, runs, found = profile.outputs, plan(profile, record), {}

    def add(kind, name, target, needs, reason):
        waits = tuple(found[need].target for need in needs if need in found)
        found[name] = Job(kind, name, relative(target), waits, reason)

    for run in runs:
        if locate(run, profile) is None:
            kind = "seeds" if run.seed == "seeds" else "run"
            target = run.folder(outputs) / "provenance.json"
            add(kind, run.name, target, run.needs, why(run, profile))
    key = references_key(record, runs)
    if not _has_key(outputs / "references.json", key):
        add("references", "references", outputs / ".done" / f"references-{key}", (), "new")
    before = list(found)
    for page in CHAPTERS + SUMMARIES:
        wanted, reads = fingerprint(page, profile, record, runs), []
        if page in SUMMARIES:
            reads = [*before, *CHAPTERS, "05_evaluation"]
        done = page_is_done(page, outputs, wanted)
        if not done or any(need in found for need in reads):
            reason = "what it shows is made anew" if done else "new or changed"
            add("page", page, outputs / ".done" / f"{page}-{wanted}", reads, reason)
    return list(found.values())


def _has_key(path, key):
    try:
        return json.loads(path.read_text(encoding="utf-8"))["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return False


def clean(profile, *, force):
    """Remove the outputs of a profile; published ones only by force."""
    outputs = profile.outputs
    if re.search(rf"^!/outputs/{re.escape(profile.name)}/$", _ignored(), re.M) and not force:
        raise StateError(f"{relative(outputs)}: is published, so it stays; FORCE=1 removes it")
    try:
        if outputs.is_symlink():
            outputs.unlink()
        elif outputs.exists():
            shutil.rmtree(outputs)
    except OSError as error:
        raise StateError(f"{error.filename}: cannot be removed: {error.strerror}") from error


def _ignored():
    path = ROOT / ".gitignore"
    return path.read_text(encoding="utf-8") if path.exists() else ""
