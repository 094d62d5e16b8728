"""How well ligands fit their density, as the tables of wwPDB validation say, where a file has them."""

import numpy as np

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.curation.parts import is_polymer, without_chains
from alphafold3_pytorch.curation.policy import Policy
from alphafold3_pytorch.structure.mmcif import Entry

INSTANCES, DENSITY = "pdbx_vrpt_model_instance", "pdbx_vrpt_model_instance_density"


def correlations(block: cif.Block) -> dict[str, float]:
    """The worst real-space correlation coefficient of the residues of each chain, by `label_asym_id`."""
    chains = dict(
        zip(
            block.texts(INSTANCES, "id", "").tolist(), block.texts(INSTANCES, "label_asym_id", "").tolist(), strict=True
        )
    )
    owners = block.texts(DENSITY, "instance_id", "").tolist()
    worst: dict[str, float] = {}
    for owner, value in zip(owners, block.numbers(DENSITY, "RSRCC", np.nan).tolist(), strict=True):
        chain = chains.get(owner, "")
        if value == value:
            worst[chain] = min(value, worst.get(chain, value))
    return worst


def poorly_seen_ligands(entry: Entry, policy: Policy, fits: dict[str, float]) -> Entry:
    """SI 5.8: ligands go whose density does not show them."""
    chains = entry.structure.chains
    poor = np.array([fits.get(chain.id, 1.0) < policy.rscc for chain in chains], bool)
    return without_chains(entry, poor & ~is_polymer(entry.structure))
