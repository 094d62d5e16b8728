"""What a report is made of: facts of the job, and of each sample no more than the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence

PAE_STEP = 0.25  # Å: one unit of a quantised PAE
PAE_SIDE = 1024  # pixels that a PAE has at most


@dataclass(frozen=True, eq=False)
class JobFacts:
    """What all samples share. Mappings of chains are by chain id."""

    name: str
    tokens: Tokens
    seeds: tuple[int, ...]
    weights: str  # which weights, and whose
    licence: str
    settings: Mapping[str, str] = field(default_factory=dict)  # in the order in which they are shown
    descriptions: Mapping[str, str] = field(default_factory=dict)
    msa_depths: Mapping[str, int] = field(default_factory=dict)  # sequences, the query among them; polymers only
    weights_warning: str = ""  # why nothing made with these weights is to be believed
    date: str = ""
    seconds: float | None = None  # the whole run
    ranked_by: str = "ranking score less chemistry penalty"
    warnings: tuple[str, ...] = ()  # beside those that the report finds itself


@dataclass(frozen=True, eq=False)
class Result:
    """One sample. It is small and keeps no n x n array of floats, so all samples of a job fit into memory together."""

    seed: int
    number: int
    confidence: Confidence
    chemistry: Chemistry
    plddt: Float[np.ndarray, "n"]  # means over the atoms of each token, 0 to 100
    pae: UInt8[np.ndarray, "p p"]  # in units of PAE_STEP; a pixel is the mean of several tokens where n > PAE_SIDE
    mmcif: str
    link: str = ""  # path of the structure file from the folder of the report
    ligands: Mapping[str, str] = field(default_factory=dict)  # chain id -> SDF text

    @classmethod
    def of(
        cls,
        sample: Sample,
        confidence: Confidence,
        chemistry: Chemistry,
        mmcif: str,
        link: str = "",
        ligands: Mapping[str, str] | None = None,
    ) -> "Result":
        """The part of a sample that the report needs; the sample itself may be dropped afterwards."""
        plddt = token_means(sample.plddt, sample.tokens)
        pae = quantised(sample.pae)
        return cls(sample.seed, sample.number, confidence, chemistry, plddt, pae, mmcif, link, ligands or {})


def token_means(values: Float[np.ndarray, "m"], tokens: Tokens) -> Float[np.ndarray, "n"]:
    """Means over the atoms of each token."""
    count = len(tokens)
    sums = np.bincount(tokens.atom_to_token, values, minlength=count)
    return sums / np.bincount(tokens.atom_to_token, minlength=count)


def quantised(pae: Float[np.ndarray, "n n"]) -> UInt8[np.ndarray, "p p"]:
    """PAE in units of PAE_STEP; of a large complex the means of equal squares of tokens."""
    scaled = pae / PAE_STEP
    if width := tokens_per_pixel(len(pae)) - 1:
        starts = np.arange(0, len(pae), width + 1)
        counts = np.diff(starts, append=len(pae))
        sums = np.add.reduceat(np.add.reduceat(scaled, starts, axis=0), starts, axis=1)
        scaled = sums / np.outer(counts, counts)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def tokens_per_pixel(tokens: int) -> int:
    """How many tokens share a row of the PAE plot."""
    return -(-tokens // PAE_SIDE)
