"""Three short runs as jobs of a SLURM cluster of one node, which is made here."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from lib.data.files import ROOT

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
# Snakemake clears the environment of its jobs, so that SLURM looks for its settings there alone.
SETTINGS = Path("/etc/slurm/slurm.conf")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the services of a cluster"),
    pytest.mark.skipif(SETTINGS.exists(), reason="this machine belongs to a cluster"),
]
NODE = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=8000
PartitionName=all Nodes={host} Default=YES
"""


@pytest.fixture
def cluster(tmp_path):
    """Start a cluster of one node, and end it."""
    (tmp_path / "munge.key").write_bytes(os.urandom(128))
    (tmp_path / "munge.key").chmod(0o400)
    own = {"host": socket.gethostname(), "folder": tmp_path, "cores": os.cpu_count()}
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text(NODE.format(**own), encoding="utf-8")
    munge = {
        f"--{name}={tmp_path}/munge.{name.split('-')[0]}"
        for name in ("key-file", "socket", "pid-file", "log-file", "seed-file")
    }
    services = []
    try:
        for words, ready in (
            (["munged", "-F", "--force", *munge], (tmp_path / "munge.socket").exists),
            (["slurmctld", "-D"], lambda: _says("sinfo", "all")),
            (["slurmd", "-D"], lambda: _says("sinfo", "idle")),
        ):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            services.append(subprocess.Popen(words, **quiet))
            for _ in range(60):
                if ready():
                    break
                time.sleep(1)
        yield
    finally:
        for service in reversed(services):
            service.terminate()
            service.wait()
        SETTINGS.unlink()


def _says(command, word):
    found = subprocess.run([command], capture_output=True, text=True, check=False)
    return word in found.stdout


def test_runs_are_jobs_of_the_cluster(cluster, tmp_path):
    """Every run is made by a job, and the same command then finds nothing to do."""
    params = tmp_path / "short.yaml"
    params.write_text("inherits: smoke\ngrid.arms: [none, augmented, border]\n", encoding="utf-8")
    where = {"STUDY_OUTPUTS": str(tmp_path / "outputs"), "STUDY_CLUSTER": "slurm"}
    where |= {"UNET_DIC_HELA_CACHE": str(tmp_path / "cache"), "SLURM_CONF": str(SETTINGS)}
    command = [sys.executable, "-m", "lib.page.commands", "reproduce", str(params)]
    ways = {"env": os.environ | where, "cwd": ROOT, "text": True, "check": False}
    first = subprocess.run(command, capture_output=True, **ways)
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
    runs = pd.read_csv(tmp_path / "outputs" / "short" / "runs.csv")
    assert list(runs.status) == 3 * ["completed"]
    again = subprocess.run(command, capture_output=True, **ways)
    assert "nothing to do" in again.stdout
