"""Job files of any dialect to jobs. A dialect is known by what a file says, not by what it is called."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alphafold3_pytorch.inputs import (
    alphafold3_json,
    boltz_yaml,
    chai_fasta,
    fasta,
    mmcif,
    openfold3_json,
    protenix_json,
    server_json,
)
from alphafold3_pytorch.inputs.job import Job
from alphafold3_pytorch.inputs.reading import parse_json, read_content

READERS: dict[str, Callable[[Any, Path | None, str], list[Job]]] = {
    "alphafold3": lambda text, folder, source: [alphafold3_json.parse(text, folder, source)],
    "alphafoldserver": server_json.parse,
    "boltz": boltz_yaml.parse,
    "boltz-fasta": fasta.parse_boltz,
    "protenix": protenix_json.parse,
    "openfold3": openfold3_json.parse,
    "chai": chai_fasta.parse,
    "fasta": fasta.parse,
    "mmcif": lambda text, folder, source: [mmcif.parse(text, folder, source)],
}
KNOWN = (
    "known are the JSON of AlphaFold 3, AlphaFold Server, Protenix and OpenFold3, the YAML of Boltz, "
    "the FASTA of Chai-1, plain FASTA, and mmCIF"
)


def read(path: Path | str) -> list[Job]:
    """The jobs of a file, which may be packed. All its mistakes are in one ValueError, one a line."""
    path = Path(path)
    return parse(read_content(path), folder=path.parent, source=str(path))


def parse(content: str | bytes, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The jobs of a text or of BinaryCIF; paths in it are relative to the folder."""
    return READERS[dialect_of(content, source)](content, folder, source)


def dialect_of(text: str | bytes, source: str = "job") -> str:
    """The dialect of a job file."""
    if isinstance(text, bytes):
        return "mmcif"
    start = text.lstrip()[:1]
    if start == ">":
        return _fasta_dialect(text, source)
    if start in ("{", "["):
        return _json_dialect(parse_json(text, source), source)
    if mmcif.is_mmcif(text):
        return "mmcif"
    if re.search(r"^sequences\s*:", text, re.MULTILINE):
        return "boltz"
    raise ValueError(f"{source} is no job file; {KNOWN}")


def _fasta_dialect(text: str, source: str) -> str:
    header = fasta.records(text, source)[0].fields
    if chai_fasta.is_chai(header):
        return "chai"
    return "boltz-fasta" if fasta.is_boltz(header) else "fasta"


def _json_dialect(document: Any, source: str) -> str:
    listed = isinstance(document, list)
    first = document[0] if listed and document else document
    job = first if isinstance(first, dict) else {}
    counted = any(set(item) & {"proteinChain", "dnaSequence", "rnaSequence", "ion"} for item in _items(job))
    if counted or listed and "sequences" in job or job.get("dialect") == server_json.DIALECT:
        return server_json.DIALECT if server_json.is_server(document) else "protenix"
    if not listed and "queries" in job:
        return "openfold3"
    if not listed and set(job) & {"dialect", "modelSeeds", "bondedAtomPairs"}:
        return "alphafold3"
    if not listed and "sequences" in job:
        return "boltz"  # JSON is YAML
    raise ValueError(f"{source} is JSON, but no job file; {KNOWN}")


def _items(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The sequences of a job that are records."""
    listed = job.get("sequences")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
