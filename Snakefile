# What is still to be done in a profile, as lib.study.runs lists it. `make reproduce` calls this;
# by hand: snakemake --cores 2 --config params=params/quick.yaml

import os
import sys

from lib.study import params, runs

PARAMS = config.get("params") or os.environ.get("STUDY_PARAMS") or "params/quick.yaml"
PROFILE = params.load(PARAMS)
TODO = {job.target: job for job in runs.jobs(PROFILE, runs.prepare(PROFILE))}
OUTPUTS = runs.relative(PROFILE.outputs)
PYTHON, FILE = sys.executable, str(PROFILE.path)


rule all:
    input:
        list(TODO),
    localrule: True


def target_of(path):
    """What a target waits for; nothing where it is not to be done."""
    return list(TODO[path].needs) if path in TODO else []


rule train:
    output:
        OUTPUTS + "/runs/{arm}/{fold}/seed{seed,[0-9]+}/provenance.json",
    benchmark:
        OUTPUTS + "/.bench/{arm}/{fold}/seed{seed}.tsv"
    resources:
        mem_mb=4000,
        runtime=720,
    shell:
        "{PYTHON:q} -m lib.page.commands run {FILE:q}"
        " {wildcards.arm}/{wildcards.fold}/seed{wildcards.seed}"


rule seeds:
    input:
        lambda w: target_of(f"{OUTPUTS}/runs/{w.arm}/{w.fold}/seeds/provenance.json"),
    output:
        OUTPUTS + "/runs/{arm}/{fold}/seeds/provenance.json",
    benchmark:
        OUTPUTS + "/.bench/{arm}/{fold}/seeds.tsv"
    shell:
        "{PYTHON:q} -m lib.page.commands seeds {FILE:q}"
        " {wildcards.arm}/{wildcards.fold}/seeds"


rule references:
    output:
        touch(OUTPUTS + "/.done/references-{key}"),
    benchmark:
        OUTPUTS + "/.bench/references-{key}.tsv"
    shell:
        "{PYTHON:q} -m lib.page.commands references {FILE:q}"


rule page:
    input:
        lambda w: target_of(f"{OUTPUTS}/.done/{w.page}-{w.key}"),
    output:
        touch(OUTPUTS + "/.done/{page,0[1-6]_[a-z_]+}-{key}"),
    benchmark:
        OUTPUTS + "/.bench/{page}-{key}.tsv"
    shell:
        "{PYTHON:q} -m lib.page.commands page {FILE:q} {wildcards.page}"
