"""Made-up samples of a structure with positions: errors grow with distance, more between chains than within."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alphafold3_pytorch.features.tokens import Tokens
from alphafold3_pytorch.predict.chemistry import Chemistry, Problem
from alphafold3_pytorch.predict.report import JobFacts, Result
from alphafold3_pytorch.predict.report.facts import token_means
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import Confidence, Interface
from alphafold3_pytorch.structure.table import Structure


def made_up_sample(structure: Structure, tokens: Tokens, number: int = 0, quality: float = 1.0) -> Sample:
    """`quality` from 0 to 1 says how good its scores look."""
    random = np.random.default_rng(number)
    count = len(tokens)
    centres = np.stack([token_means(structure.positions[:, axis], tokens) for axis in range(3)], axis=1)
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    apart = tokens.chain[:, None] != tokens.chain[None]
    error = 0.8 + (0.05 + 0.12 * apart) * distance * (2 - quality) ** 3 + 4 * apart * (1 - quality)
    loose = smooth(random.gamma(2, 0.5, count), 9)
    pae = np.clip(error + np.add.outer(loose, loose) + random.random((count, count)), 0.5, 31.5).astype(np.float32)
    by_token = np.clip(98 * quality - 25 * (loose - loose.min()) ** 2, 20, 98)
    plddt = np.clip(by_token[tokens.atom_to_token] + random.normal(0, 1, len(structure)), 0, 100)
    terms = (1 / (1 + (pae / 6) ** 2)).astype(np.float32)
    return Sample(
        seed=1 + number // 5,
        number=number % 5,
        tokens=tokens,
        structure=structure,
        plddt=plddt.astype(np.float32),
        pae=pae,
        pde=pae / 2,
        contacts=(distance < 8).astype(np.float32),
        tm=terms,
        tm_interface=terms,
        framed=~tokens.atomised,
    )


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    return np.convolve(np.pad(values, width // 2, mode="edge"), np.ones(width) / width, mode="valid")


def made_up_confidence(sample: Sample, has_clash: bool = False) -> Confidence:
    """Numbers of the right shape and size; not the definitions."""
    tokens = sample.tokens
    chains = tuple(chain.id for chain in tokens.structure.chains)
    rows = [np.flatnonzero(tokens.chain == number) for number in range(len(chains))]
    blocks = [[sample.tm[np.ix_(a, b)] for b in rows] for a in rows]
    pair_tm = np.array([[float(block.mean(axis=1).max()) for block in line] for line in blocks])
    pae_min = np.array([[float(sample.pae[np.ix_(a, b)].min()) for b in rows] for a in rows])
    several = len(chains) > 1
    off = ~np.eye(len(chains), dtype=bool)
    iptm = float(pair_tm[off].mean()) if several else float("nan")
    ptm = float(sample.tm.mean(axis=1).max())
    faces = [(i, j) for i in range(len(chains)) for j in range(i) if pae_min[i, j] < 4]
    return Confidence(
        chains=chains,
        plddt=float(sample.plddt.mean()),
        chain_plddt=np.array([sample.plddt[tokens.structure.chain == i].mean() for i in range(len(chains))]),
        ptm=ptm,
        iptm=iptm,
        fraction_disordered=0.05,
        has_clash=has_clash,
        ranking_score=(0.8 * iptm + 0.2 * ptm if several else ptm) - 100 * has_clash,
        chain_ptm=np.diag(pair_tm),
        chain_iptm=np.array(
            [line[keep].mean() if several else np.nan for line, keep in zip(pair_tm, off, strict=True)]
        ),
        chain_pair_iptm=pair_tm,
        chain_pair_pae_min=pae_min,
        chain_pair_pde_min=pae_min / 2,
        chain_pair_pde_mean=pae_min,
        interfaces=tuple(
            Interface((chains[j], chains[i]), 0.8 * float(pair_tm[i, j]), 0.5 * float(pair_tm[i, j]), 0.4, np.nan, 12)
            for i, j in faces
        ),
    )


def made_up_results(structure: Structure, tokens: Tokens, count: int, mmcif: str) -> list[Result]:
    """`count` samples, each a little worse than the one before; the second has a problem of chemistry."""
    results = []
    for number in range(count):
        sample = made_up_sample(structure, tokens, number, quality=1 - 0.08 * min(number, 8))
        problems = (problem_of(structure),) if number == 1 else ()
        found = {problem.kind: 1 for problem in problems}
        chemistry = Chemistry({"chirality": 120, "bond_length": 900}, problems, 0.02 * len(problems), found)
        link = f"seed-{sample.seed}_sample-{sample.number}/job_model.cif"
        results.append(Result.of(sample, made_up_confidence(sample, number == 3), chemistry, mmcif, link))
    return results


def problem_of(structure: Structure) -> Problem:
    """A wrong hand at the first CA."""
    atom = int(np.flatnonzero(structure.names == "CA")[0])
    chain, place = structure.chains[structure.chain[atom]], int(structure.residue[atom])
    where = f"{chain.id}:{place + 1}:{chain.residues[place]}:CA"
    text = f"the CA of {chain.residues[place]} {place + 1} in chain {chain.id} has the wrong hand (D instead of L)"
    return Problem("chirality", (where,), text, -2.5, 2.5)


def made_up_facts(tokens: Tokens, name: str = "job", seeds: Sequence[int] = (1,), **changes: Any) -> JobFacts:
    polymers = [chain.id for chain in tokens.structure.chains if chain.is_polymer]
    facts: dict[str, Any] = dict(
        weights="protenix_base_default_v1.0.0 (Protenix, ByteDance)",
        licence="Apache-2.0",
        settings={"samples for each seed": "5", "recycles": "10", "diffusion steps": "200", "precision": "float32"},
        msa_depths={name: 1200 for name in polymers},
        date="2026-03-01",
        seconds=754.0,
    )
    return JobFacts(name=name, tokens=tokens, seeds=tuple(seeds), **(facts | changes))
