"""Jobs to job files of any dialect."""

from collections.abc import Callable, Sequence

from alphafold3_pytorch.inputs import (
    alphafold3_json,
    boltz_yaml,
    chai_fasta,
    fasta,
    openfold3_json,
    protenix_json,
    server_json,
)
from alphafold3_pytorch.inputs.job import Job
from alphafold3_pytorch.inputs.writing import Draft

WRITERS: dict[str, Callable[[Sequence[Job], Draft], None]] = {
    "alphafold3": alphafold3_json.write,
    "alphafoldserver": server_json.write,
    "boltz": boltz_yaml.write,
    "protenix": protenix_json.write,
    "openfold3": openfold3_json.write,
    "chai": chai_fasta.write,
    "fasta": fasta.write,
}


def write(jobs: Sequence[Job], dialect: str) -> Draft:
    """Job files, the files that they name, and a list of what the dialect cannot say."""
    if dialect not in WRITERS:
        raise ValueError(f"{dialect!r} is no dialect that can be written; known are {', '.join(WRITERS)}")
    if not jobs:
        raise ValueError("there is no job to write")
    draft = Draft()
    WRITERS[dialect](jobs, draft)
    return draft
