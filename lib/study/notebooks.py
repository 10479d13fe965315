"""Execute a notebook through papermill, label what it prints, and leave no path of this machine."""

import contextlib
import os
import re
import sys
import time

from lib.data.files import NOTEBOOKS, write_text
from lib.study.command import RunError

# What TensorFlow's loader says on standard error at every start.
LOADER = re.compile(r"^([IWE]0000|WARNING: All log messages|To enable the following).*\n?", re.M)


def execute(name, target, parameters, label):
    """Execute a notebook through papermill; each line that it prints is labelled."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    started, terminal = time.time(), _Labelled(sys.stdout, label)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _kernel_log(target.parent / "kernel.log"):
            papermill.execute_notebook(
                NOTEBOOKS / f"{name}.ipynb",
                target,
                parameters=parameters,
                cwd=NOTEBOOKS,
                progress_bar=False,
                stdout_file=terminal,
                # A busy machine takes long to start a kernel; a study must not stop for that.
                start_timeout=600,
                iopub_timeout=120,
                coalesce_streams=True,
            )
    except papermill.PapermillExecutionError as error:
        raise RunError(f"{label.strip()} {error.ename}: {error.evalue}") from error
    except DeadKernelError as error:
        raise RunError(
            f"{label.strip()} its process was ended from outside, as for want of memory; the "
            "same command goes on where it was"
        ) from error
    _tidy(target)
    terminal.write(f"done in {time.time() - started:.0f} s\n")


@contextlib.contextmanager
def _kernel_log(path):
    """Send to a file what the kernel's process says outside its cells; it inherits our stderr."""
    ours = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


def _tidy(path):
    """Drop the loader's messages, and the paths and times of papermill."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                output.text = LOADER.sub("", output.text)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("text", "?")]
    # The cell that papermill wrote names folders of this machine.
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    notebook.metadata.pop("papermill", None)
    write_text(path, nbformat.writes(notebook) + "\n")


class _Labelled:
    """A stream that names the run in front of each line; papermill writes to it."""

    def __init__(self, stream, label):
        self.stream, self.label = stream, label

    def write(self, text):
        lines = [f"{self.label}{line}\n" for line in text.splitlines() if line.strip()]
        self.stream.write("".join(lines))

    def flush(self):
        self.stream.flush()
