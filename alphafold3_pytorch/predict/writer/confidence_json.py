"""Confidence as JSON: what official AlphaFold 3 writes, byte for byte, and behind it what is ours.

Keys, order and rounding of the official part are those of AlphaFold 3.1 (3.0.1 has them without `chain_ids`).
"""

import json
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.chemistry.problems import Problem
from alphafold3_pytorch.predict.provenance import SOFTWARE, Provenance
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence
from alphafold3_pytorch.predict.scores.interfaces import Interface

ROWS = 256  # of a matrix that are made into text at a time
SCORES = ("ipsae", "pdockq2", "lis", "actifptm")


def summary_json(sample: Sample, confidence: Confidence, chemistry: Chemistry, provenance: Provenance) -> str:
    """`summary_confidences.json`: scores of the complex, its chains and their pairs."""
    ours = own_summary(sample, confidence, chemistry, provenance)
    return json.dumps(official_summary(sample, confidence) | ours, indent=1, separators=(",", ": "))


def official_summary(sample: Sample, confidence: Confidence) -> dict[str, Any]:
    """What AlphaFold 3 reports. Its `chain_ids` has the chain of every token, as there."""
    return {
        "chain_ids": token_chains(sample),
        "chain_iptm": _rounded(confidence.chain_iptm),
        "chain_pair_iptm": _rounded(confidence.chain_pair_iptm),
        "chain_pair_pae_min": _rounded(confidence.chain_pair_pae_min),
        "chain_ptm": _rounded(confidence.chain_ptm),
        "fraction_disordered": _rounded(confidence.fraction_disordered),
        "has_clash": float(confidence.has_clash),
        "iptm": _rounded(confidence.iptm),
        "ptm": _rounded(confidence.ptm),
        "ranking_score": _rounded(confidence.ranking_score),
    }


def own_summary(sample: Sample, confidence: Confidence, chemistry: Chemistry, provenance: Provenance) -> dict[str, Any]:
    """What AlphaFold 3 does not report."""
    warning = {"warning": provenance.warning} if provenance.warning else {}
    return warning | {
        "chains": list(confidence.chains),
        "plddt": _rounded(confidence.plddt),
        "chain_plddt": _rounded(confidence.chain_plddt),
        "chain_pair_pde_mean": _rounded(confidence.chain_pair_pde_mean),
        "chain_pair_pde_min": _rounded(confidence.chain_pair_pde_min),
        "interfaces": [_interface(interface) for interface in confidence.interfaces],
        "chemistry": _chemistry(chemistry),
        "ranking_score_exact": _rounded(confidence.ranking_score, None),
        "seed": sample.seed,
        "sample": sample.number,
        "software": f"{SOFTWARE} {provenance.version}",
        "weights": {"name": provenance.weights, "family": provenance.family, "licence": provenance.licence},
        "settings": dict(provenance.settings),
    }


def _interface(interface: Interface) -> dict[str, Any]:
    scores = {name: _rounded(getattr(interface, name), 3) for name in SCORES}
    return {"chains": list(interface.chains), **scores, "contacts": interface.contacts}


def _chemistry(chemistry: Chemistry) -> dict[str, Any]:
    return {
        "penalty": _rounded(chemistry.penalty, None),
        "checked": dict(chemistry.checked),
        "found": dict(chemistry.found),
        "clashes": [{"chains": list(chains), "count": count} for chains, count in chemistry.clashes.items()],
        "problems": [_problem(problem) for problem in chemistry.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    numbers = {"value": problem.value, "expected": problem.expected}
    known = {name: None if value is None else _rounded(value, 4) for name, value in numbers.items()}
    return {"kind": problem.kind, "atoms": list(problem.atoms), "text": problem.text, **known}


def _rounded(value: Any, digits: int | None = 2) -> Any:
    """Rounded in float64 as plain numbers and lists, None for what JSON has no word for."""
    if isinstance(value, np.ndarray):
        return [_rounded(item, digits) for item in value.astype(np.float64)]
    number = float(value) if digits is None else float(np.round(np.float64(value), digits))
    return number if math.isfinite(number) else None


def token_chains(sample: Sample) -> list[str]:
    """The chain of every token."""
    return [sample.structure.chains[place].id for place in sample.tokens.chain.tolist()]


def confidences_json(sample: Sample, provenance: Provenance) -> bytes:
    """`confidences.json`: pLDDT of atoms, PAE and contact probabilities of token pairs."""
    atoms = [sample.structure.chains[place].id for place in sample.structure.chain.tolist()]
    parts = {
        "atom_chain_ids": _compact(atoms),
        "atom_plddts": _numbers(sample.plddt[None], 2, 99.99)[1:-1],
        "contact_probs": _numbers(sample.contacts, 2, 1.0),
        "pae": _numbers(sample.pae, 1, 99.9),
        "token_chain_ids": _compact(token_chains(sample)),
        "token_res_ids": _compact(sample.tokens.residue_index.tolist()),
    }
    if provenance.warning:
        parts["warning"] = _compact(provenance.warning)
    return b"{\n" + b",\n".join(b'  "%s": %s' % (name.encode(), text) for name, text in parts.items()) + b"\n}"


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _numbers(values: Float[np.ndarray, "r c"], digits: int, top: float) -> bytes:
    """A list of lists of numbers from 0 to `top`, by a table of all texts that there can be."""
    scale = 10**digits
    texts = np.array([*(f",{number / scale}" for number in range(round(top * scale) + 1)), ",null"], "S")
    blocks = np.array_split(values, max(1, len(values) // ROWS))
    return b"[" + b",".join(_rows(texts[_places(block, scale, top, len(texts) - 1)]) for block in blocks) + b"]"


def _places(values: Float[np.ndarray, "r c"], scale: int, top: float, unknown: int) -> Int[np.ndarray, "r c"]:
    """Halves are rounded up, in single precision as there."""
    scaled = np.clip(values.astype(np.float32), 0, np.float32(top)) * np.float32(scale)
    return np.where(np.isnan(scaled), unknown, np.floor(np.add(scaled, 0.5, dtype=np.float64))).astype(np.int16)


def _rows(cells: np.ndarray) -> bytes:
    """Rows of texts of equal width, each with a comma before it and filled up with zero bytes, which go in the end."""
    rows, columns = cells.shape
    width = cells.dtype.itemsize
    text = np.zeros((rows, columns * width + 3), np.uint8)
    text[:, 1:-2] = cells.view(np.uint8).reshape(rows, -1)
    text[:, 0] = ord("[")
    text[:, 1] = 0  # the comma before the first number
    text[:, -2] = ord("]")
    text[:-1, -1] = ord(",")
    return text.tobytes().translate(None, b"\0")
