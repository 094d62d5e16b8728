"""The files of a prediction, in the layout of official AlphaFold 3 (3.1; its scripts and viewers find everything).

A job has a folder. Every sample has one inside it, which appears as a whole, so that what is there is finished and a
prediction that was cut off can go on. When all samples are there, the best one's files are copied up.
"""

import csv
import io
import json
import math
import os
import re
import shutil
import string
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.predict.writer.confidence_json import confidences_json, summary_json
from alphafold3_pytorch.predict.writer.modelcif import sample_mmcif
from alphafold3_pytorch.predict.writer.sdf import ligand_sdfs
from alphafold3_pytorch.structure.pdb_text import pdb_text
from alphafold3_pytorch.weights.atomic import replacing

FORMATS = ("cif", "sdf", "pdb")
LETTERS = frozenset(string.ascii_letters + string.digits + "_-.")
SUMMARY = "summary_confidences.json"
FILES = ("model.cif", "confidences.json", SUMMARY)  # of every sample
EMBEDDINGS = {"single": "single_embeddings", "pair": "pair_embeddings"}  # names in `Sample.extra` and in the file


class Ranked(NamedTuple):
    """A row of the ranking. The table of scores has the first three columns, as the official one."""

    seed: int
    sample: int
    ranking_score: float
    penalty: float = 0.0  # of the chemistry

    @property
    def merit(self) -> float:
        """The score less the penalty, with those that have none at the end."""
        return -math.inf if math.isnan(self.ranking_score) else self.ranking_score - self.penalty


def file_name(job_name: str) -> str:
    """A job's name as its files and its folder have it: spaces become `_`, all but letters, digits and `_-.` goes."""
    name = "".join(letter for letter in job_name.replace(" ", "_") if letter in LETTERS)
    if not name.strip("."):
        raise ValueError(f"the job name {job_name!r} has no letter that a file name can have; use letters and digits")
    return name


def sample_name(seed: int, number: int) -> str:
    """The folder of a sample."""
    return f"seed-{seed}_sample-{number}"


def write_job(folder: Path, job_name: str, text: str) -> Path:
    """`<job>_data.json`: the job with its alignments and templates, as AlphaFold 3 JSON."""
    path = folder / f"{file_name(job_name)}_data.json"
    folder.mkdir(parents=True, exist_ok=True)
    return _write(path, text)


def write_sample(
    folder: Path,
    job_name: str,
    sample: Sample,
    confidence: Confidence,
    chemistry: Chemistry,
    provenance: Provenance,
    formats: Collection[str] = ("cif", "sdf"),
) -> list[Path]:
    """All files of a sample, into a folder of its own inside the job's folder; mmCIF and JSON are always among them."""
    odd = next((name for name in formats if name not in FORMATS), None)
    if odd is not None:
        raise ValueError(f"format {odd!r} is not known; use {', '.join(FORMATS)}")
    extra = write_extra(folder, job_name, sample, provenance)
    own = sample_name(sample.seed, sample.number)
    prefix = f"{file_name(job_name)}_{own}"
    texts = dict(_texts(prefix, sample, confidence, chemistry, provenance, formats))
    with _whole_folder(folder / own) as temporary:
        for name, text in texts.items():
            _write(temporary / f"{prefix}_{name}", text)
    return [*(folder / own / f"{prefix}_{name}" for name in texts), *extra]


def _texts(
    name: str,
    sample: Sample,
    confidence: Confidence,
    chemistry: Chemistry,
    provenance: Provenance,
    formats: Collection[str],
) -> Iterator[tuple[str, str | bytes]]:
    """File names, without the name of the job and sample, and what is in the files."""
    yield "model.cif", sample_mmcif(name, sample, confidence, provenance)
    yield "confidences.json", confidences_json(sample, provenance)
    yield SUMMARY, summary_json(sample, confidence, chemistry, provenance)
    if "sdf" in formats:
        for chain, text in ligand_sdfs(sample, confidence, provenance):
            yield f"ligand_{chain}.sdf", text
    if "pdb" in formats:
        remarks = [provenance.warning] if provenance.warning else []
        remarks += ["The B-factor column has the pLDDT.", f"Weights: {provenance.weights}. {provenance.licence}"]
        yield "model.pdb", pdb_text(sample.structure, sample.plddt, remarks)


def write_extra(folder: Path, job_name: str, sample: Sample, provenance: Provenance) -> list[Path]:
    """Embeddings and distogram, float16, once for each seed: all its samples share them."""
    embeddings = {name: sample.extra[key] for key, name in EMBEDDINGS.items() if key in sample.extra}
    distogram = {"distogram": sample.extra["distogram"]} if "distogram" in sample.extra else {}
    paths = []
    for kind, arrays in (("embeddings", embeddings), ("distogram", distogram)):
        path = folder / f"seed-{sample.seed}_{kind}" / f"{file_name(job_name)}_seed-{sample.seed}_{kind}.npz"
        if not arrays:
            continue
        paths.append(path)
        if sample.number == 0 or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_arrays(path, arrays, provenance.warning)
    return paths


def _write_arrays(path: Path, arrays: dict[str, np.ndarray], warning: str) -> None:
    half: Any = {name: array.astype(np.float16) for name, array in arrays.items()}
    notes: Any = {"warning": np.array(warning)} if warning else {}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **half, **notes)


def finished_samples(folder: Path, job_name: str) -> set[tuple[int, int]]:
    """Seeds and numbers of the samples that are there with all their files."""
    found: set[tuple[int, int]] = set()
    for path in folder.glob("seed-*_sample-*"):
        match = re.fullmatch(r"seed-(\d+)_sample-(\d+)", path.name)
        if match and all((path / f"{file_name(job_name)}_{path.name}_{name}").is_file() for name in FILES):
            found.add((int(match[1]), int(match[2])))
    return found


def read_ranking(folder: Path, job_name: str) -> list[Ranked]:
    """The rows of all finished samples, from their files, in the order of seeds and numbers."""
    rows = []
    for seed, number in sorted(finished_samples(folder, job_name)):
        own = sample_name(seed, number)
        path = folder / own / f"{file_name(job_name)}_{own}_{SUMMARY}"
        summary = json.loads(path.read_text(encoding="utf-8"))
        score = summary["ranking_score_exact"]
        rows.append(Ranked(seed, number, math.nan if score is None else score, summary["chemistry"]["penalty"]))
    return rows


def write_ranking(
    folder: Path,
    job_name: str,
    rows: Sequence[Ranked],
    provenance: Provenance,
    best: tuple[int, int] | None = None,
) -> list[Path]:
    """The table of scores, and the files of the best sample beside it under the job's name.

    `best` is its seed and number, where it is not the one of the greatest merit (the first of equals). TERMS_OF_USE.md
    is there where the owner of the weights demands it.
    """
    if not rows:
        raise ValueError(f"job {job_name!r} has no samples to rank; predict at least one")
    seed, number = best or max(rows, key=lambda row: row.merit)[:2]
    name, own = file_name(job_name), sample_name(seed, number)
    old = [path for end in ("model.pdb", "ligand_*.sdf") for path in folder.glob(f"{name}_{end}")]
    paths = []
    for source in sorted((folder / own).glob(f"{name}_{own}_*")):
        paths.append(folder / f"{name}_{source.name.removeprefix(f'{name}_{own}_')}")
        with replacing(paths[-1]) as temporary:
            shutil.copyfile(source, temporary)
    for path in old:
        if path not in paths:  # of an earlier run that wrote other formats
            path.unlink()
    if provenance.terms:
        paths.append(_write(folder / "TERMS_OF_USE.md", provenance.terms))
    return [*paths, _write(ranking_path(folder, job_name), _csv(rows))]


def ranking_path(folder: Path, job_name: str) -> Path:
    """The table of scores. It is written last: where it is, everything else is."""
    return folder / f"{file_name(job_name)}_ranking_scores.csv"


def _csv(rows: Sequence[Ranked]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(row[:3] for row in (Ranked._fields, *rows))
    return text.getvalue()


def _write(path: Path, text: str | bytes) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place if the block succeeds, and vanishes if it does not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
