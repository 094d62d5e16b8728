"""Samples of an earlier run as the report shows them, read back from their files (rounded as these are)."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.chemistry.problems import Problem
from alphafold3_pytorch.predict.report import Result
from alphafold3_pytorch.predict.report.facts import quantised, token_means
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.predict.scores.interfaces import Interface
from alphafold3_pytorch.predict.writer import SUMMARY, file_name, sample_name

SINGLE = ("plddt", "ptm", "iptm", "fraction_disordered")
ARRAYS = (
    "chain_plddt",
    "chain_ptm",
    "chain_iptm",
    "chain_pair_iptm",
    "chain_pair_pae_min",
    "chain_pair_pde_min",
    "chain_pair_pde_mean",
)


def stored_result(folder: Path, job_name: str, seed: int, number: int, tokens: Tokens) -> Result:
    """A finished sample in the folder of its job."""
    own = folder / sample_name(seed, number)
    prefix = f"{file_name(job_name)}_{own.name}_"
    summary = json.loads((own / f"{prefix}{SUMMARY}").read_text(encoding="utf-8"))
    details = json.loads((own / f"{prefix}confidences.json").read_text(encoding="utf-8"))
    structure = own / f"{prefix}model.cif"
    ligands = {path.stem.removeprefix(f"{prefix}ligand_"): path for path in sorted(own.glob(f"{prefix}ligand_*.sdf"))}
    return Result(
        seed=seed,
        number=number,
        confidence=_confidence(summary),
        chemistry=_chemistry(summary["chemistry"]),
        plddt=token_means(_array(details["atom_plddts"]), tokens),
        pae=quantised(_array(details["pae"])),
        mmcif=structure.read_text(encoding="utf-8"),
        link=str(structure.relative_to(folder)),
        ligands={chain: path.read_text(encoding="utf-8") for chain, path in ligands.items()},
    )


def _array(values: Any) -> np.ndarray:
    return np.array(values, float)  # null is NaN


def _confidence(summary: dict[str, Any]) -> Confidence:
    numbers: dict[str, Any] = {name: _number(summary[name]) for name in SINGLE}
    numbers |= {name: _array(summary[name]) for name in ARRAYS}
    return Confidence(
        chains=tuple(summary["chains"]),
        has_clash=bool(summary["has_clash"]),
        ranking_score=_number(summary["ranking_score_exact"]),
        interfaces=tuple(_interface(each) for each in summary["interfaces"]),
        **numbers,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _interface(values: dict[str, Any]) -> Interface:
    scores = {name: _number(values[name]) for name in ("ipsae", "pdockq2", "lis", "actifptm")}
    return Interface(chains=(values["chains"][0], values["chains"][1]), contacts=values["contacts"], **scores)


def _chemistry(values: dict[str, Any]) -> Chemistry:
    return Chemistry(
        checked=values["checked"],
        problems=tuple(Problem(**{**each, "atoms": tuple(each["atoms"])}) for each in values["problems"]),
        penalty=values["penalty"],
        found=values["found"],
        clashes={(each["chains"][0], each["chains"][1]): each["count"] for each in values["clashes"]},
    )
