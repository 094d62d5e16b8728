"""Predictions to entries to train on: judged by confidence and chemistry, cleaned as deposited entries are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from alphafold3_pytorch.curation.cleaning import FOR_TRAINING, CleaningRule
from alphafold3_pytorch.curation.dictionary import with_dictionary
from alphafold3_pytorch.curation.filters import Decision, Settings, Work, clean, first_reason, settled, within_limits
from alphafold3_pytorch.curation.parts import with_atoms
from alphafold3_pytorch.curation.predictions import (
    Trust,
    accession,
    atom_plddt,
    prediction_files,
    prediction_name,
    prediction_place,
    read_trust,
)
from alphafold3_pytorch.curation.source import read_block
from alphafold3_pytorch.curation.tables import table_rows
from alphafold3_pytorch.curation.targets import ON_LEAVING
from alphafold3_pytorch.predict.chemistry import KINDS, SEVERE, check
from alphafold3_pytorch.predict.scores.clash import has_clash
from alphafold3_pytorch.structure.mmcif import Entry, read_entry
from alphafold3_pytorch.structure.table import Structure

METHOD = "THEORETICAL MODEL"
UNSURE = "unsure residues"
DATES = ("accession", "released")  # columns of the table of dates


@dataclass(frozen=True)
class Limits:
    """What a prediction must reach. None and 0 ask for nothing."""

    plddt: float = 70.0  # mean of the whole, 0 to 100
    ptm: float | None = None
    iptm: float | None = None  # of complexes
    ranking_score: float | None = None
    pde: float | None = None  # at most, Å, mean over all pairs of tokens
    residues: int = 0  # of polymers
    problems: int | None = 0  # at most, of those that make a structure impossible
    mask: float = 0.0  # residues of which the mean pLDDT is lower have no atoms


@dataclass(frozen=True)
class DistillSettings(Settings):
    limits: Limits = Limits()
    all_samples: bool = False
    released: str = ""  # date of entries; if empty that of the file, which may have none
    dates: str = ""  # digest of the table of dates; where there is one, proteins that it does not have are left out

    @property
    def dates_table(self) -> Path:
        return self.output_dir / "accession_dates.csv"


@dataclass(frozen=True)
class Distilled(Decision):
    plddt: float | None = None
    ptm: float | None = None
    iptm: float | None = None
    ranking_score: float | None = None
    pde: float | None = None
    problems: int | None = None  # that make a structure impossible


def distill_file(path: Path, settings: DistillSettings) -> Decision:
    """Read, judge, clean and write one prediction. Whatever is wrong with it is in the decision."""
    return within_limits(path, settings, _distilled)


def _distilled(path: Path, settings: DistillSettings) -> Distilled:
    block = read_block(path)
    entry = read_entry(block)
    entry = replace(entry, id=prediction_name(path), method=METHOD, resolution=None)
    entry = with_dictionary(replace(entry, released=_released(path, entry, settings)), settings.ccd_dir)
    plddt = atom_plddt(block, entry)
    trust = read_trust(path, block, plddt)
    rule, reason = _first_doubt(entry, trust, settings)
    cleaned, changed, problems = entry, [], None
    if not reason:
        unsure = CleaningRule(UNSURE, lambda entry, policy: without_unsure(entry, plddt, settings.limits.mask))
        cleaned, changed = clean(entry, settings.policy, (unsure, *FOR_TRAINING))
        rule, reason = first_reason(ON_LEAVING, cleaned, settings.policy)
    if not reason:
        severe = severe_problems(cleaned.structure)
        problems = sum(severe.values())
        rule, reason = _chemistry(cleaned.structure, severe, settings.limits.problems)
    place = prediction_place(path, settings.output_dir)
    decision = settled(path, place, entry if reason else cleaned, rule, reason, changed)
    scores = {name: _stated(getattr(trust, name)) for name in ("plddt", "ptm", "iptm", "ranking_score", "pde")}
    facts: dict[str, Any] = vars(decision) | scores
    return Distilled(**facts, problems=problems)


def _stated(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


def _released(path: Path, entry: Entry, settings: DistillSettings) -> str:
    if settings.dates:
        return _dates(settings.dates_table, settings.dates).get(accession(path), "")
    return settings.released or entry.released


@lru_cache(maxsize=1)
def _dates(table: Path, digest: str) -> Mapping[str, str]:
    return {name: released for name, released in table_rows(table, DATES)}


def _first_doubt(entry: Entry, trust: Trust, settings: DistillSettings) -> tuple[str, str]:
    """The first rule that a prediction breaks, and how; empty where it keeps all."""
    limits, structure = settings.limits, entry.structure
    polymers = [chain for chain in structure.chains if chain.is_polymer]
    residues = sum(len(chain.residues) for chain in polymers)
    complex_only = limits.iptm if len(structure.chains) > 1 else None
    outside = bool(settings.dates) and not entry.released
    found = {
        "accession": "no entry of the training set has this protein" if outside else "",
        "weights": trust.warning,
        "residues": f"{residues} residues, at least {limits.residues} are wanted" * (residues < limits.residues),
        "polymer chains": f"{len(polymers)} polymer chains, the limit is {settings.policy.polymer_chains}"
        * (len(polymers) > settings.policy.polymer_chains),
        "pLDDT": _below(trust.plddt, limits.plddt, "pLDDT"),
        "pTM": _below(trust.ptm, limits.ptm, "pTM"),
        "ipTM": _below(trust.iptm, complex_only, "ipTM"),
        "ranking score": _below(trust.ranking_score, limits.ranking_score, "ranking score"),
        "PDE": _below(-trust.pde, None if limits.pde is None else -limits.pde, "PDE"),
    }
    return next(((rule, reason) for rule, reason in found.items() if reason), ("", ""))


def _below(value: float, limit: float | None, name: str) -> str:
    """Why a value is not as large as it must be. What is large where it should be small comes with a minus."""
    if not limit:
        return ""
    if math.isnan(value):
        return f"no {name} is known"
    bound = "at least" if limit > 0 else "at most"
    return "" if value >= limit else f"{name} {abs(value):.3g}, {bound} {abs(limit):g} is wanted"


def without_unsure(entry: Entry, plddt: Float[np.ndarray, "m"], limit: float) -> Entry:
    """Residues below a limit lose their atoms; the sequence keeps them."""
    keys = entry.structure.residue_keys
    sums, counts = np.bincount(keys, plddt), np.bincount(keys)
    return with_atoms(entry, (sums / np.maximum(counts, 1))[keys] >= limit)


def severe_problems(structure: Structure) -> dict[str, int]:
    """Places that no molecule can have, by kind: wrong hands, broken bonds, atoms or rings that overlap."""
    found = check(structure).found
    return {kind: count for kind, count in found.items() if count and KINDS[kind].severity == SEVERE}


def _chemistry(structure: Structure, severe: Mapping[str, int], most: int | None) -> tuple[str, str]:
    if has_clash(structure):
        return "clash", "a chain lies on top of itself or another one"
    if most is not None and sum(severe.values()) > most:
        kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in severe.items())
        return "chemistry", f"impossible: {kinds}; at most {most} may be"
    return "", ""


def _in_words(settings: DistillSettings) -> str:
    """Limits that ask for something."""
    asked = [f"{field.name} {value:g}" for field in fields(Limits) if (value := getattr(settings.limits, field.name))]
    return f"Limits: {', '.join(asked) or 'none'}"


def _band(decision: Distilled) -> str:
    """Tens of pLDDT."""
    if decision.plddt is None:
        return "?"
    lower = min(int(decision.plddt // 10), 9) * 10
    return f"{lower} to {lower + 10}"


DISTILL = Work(
    name="distill",
    title="Distilled predictions",
    files=lambda folder, settings: prediction_files(folder, settings.all_samples),
    decide=distill_file,
    place=prediction_place,
    decision=Distilled,
    rules=(UNSURE, *(rule.name for rule in FOR_TRAINING)),
    in_words=_in_words,
    groups="pLDDT",
    group=_band,
)
