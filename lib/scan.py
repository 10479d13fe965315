"""What a run takes from the runs before it: the rate of a scan, the updates of another arm."""

import math

import numpy as np
import pandas as pd

from lib.files import StateError
from lib.paths import run_folder

# A training loss below this has left the plateau at ln 2, where a network answers one half
# everywhere.
LEFT_PLATEAU = math.log(2) - 0.05


def trial_name(arm, rate):
    """Name the trial of a learning rate in the scan of an arm."""
    return f"scan_{arm}_{np.format_float_scientific(rate, trim='-', exp_digits=2)}"


def rates(profile, arm):
    """Learning rates in the scan of an arm, lowest first."""
    return sorted(profile.arms[arm]["scan.learning_rates"])


def table(profile, arm, fold):
    """Read what the trials of the learning-rate scan came to, and which rate is taken.

    Parameters
    ----------
    profile : params.Profile
    arm : str
        The arm that was scanned.
    fold : str

    Returns
    -------
    pandas.DataFrame
        A row a rate: arm, fold, learning_rate, updates, loss (training, last), val_loss (lowest),
        diverged, left_plateau, chosen. Of the rates at which the training loss left the plateau,
        or of all where none did, the one with the lowest validation loss is chosen; none where all
        diverged. A weighted training loss has no plateau at ln 2; the validation loss without
        weights then tells who left it, and that with weights, which is trained, who is chosen.

    Raises
    ------
    StateError
        If a trial has not been run.
    """
    rows = []
    for rate in rates(profile, arm):
        history = read_history(profile.outputs, trial_name(arm, rate), fold, 0)
        loss, val_loss = history.loss.iloc[-1], history.val_loss.iloc[-1]
        weighted = "val_weighted_loss" in history
        unweighted = history.val_loss.min() if weighted else loss
        rows.append(
            {
                "arm": arm,
                "fold": fold,
                "learning_rate": rate,
                "updates": history.updates.iloc[-1],
                "loss": loss,
                "val_loss": history["val_weighted_loss" if weighted else "val_loss"].min(),
                "diverged": not (math.isfinite(loss) and math.isfinite(val_loss)),
                "left_plateau": bool(unweighted < LEFT_PLATEAU),
            }
        )
    trials = pd.DataFrame(rows)
    usable = trials[~trials.diverged]
    # A network that has not begun to learn can have the lowest validation loss of all: ln 2.
    candidates = usable[usable.left_plateau] if usable.left_plateau.any() else usable
    chosen = candidates.val_loss.idxmin() if len(candidates) else None
    return trials.assign(chosen=trials.index == chosen)


def read_history(outputs, arm, fold, seed):
    """Read history.csv of a run.

    Raises
    ------
    StateError
        If the run is not there or its history is broken.
    """
    path = run_folder(outputs, arm, fold, seed) / "history.csv"
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read; run {arm}/{fold}/seed{seed} first") from error


def settle(profile, run):
    """Put numbers in place of `scan` and of an arm's name, from the runs that it depends on.

    Parameters
    ----------
    profile : params.Profile
    run : Run

    Returns
    -------
    dict
        Flat settings, values only.

    Raises
    ------
    StateError
        If a run that it depends on is missing, or every trial of the scan diverged.
    """
    settings = dict(run.settings)
    if settings["training.learning_rate"] == "scan":
        tried = table(profile, profile.arms[run.arm]["scan.arm"], run.fold)
        if not tried.chosen.any():
            raise StateError(f"{run.name}: every rate in scan.learning_rates diverged")
        settings["training.learning_rate"] = float(tried.learning_rate[tried.chosen].iloc[0])
    arm = settings["training.updates"]
    if isinstance(arm, str):
        history = read_history(profile.outputs, arm, run.fold, run.seed)
        settings["training.updates"] = int(history.updates.iloc[-1])
    return settings
