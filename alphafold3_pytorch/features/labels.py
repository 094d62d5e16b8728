"""The ground truth of a job: where the atoms of its structure are in a deposited entry."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from alphafold3_pytorch.features.batch import Labels
from alphafold3_pytorch.structure.mmcif import Entry
from alphafold3_pytorch.structure.table import Structure


def known_positions(structure: Structure, entry: Structure) -> Float[np.ndarray, "m 3"]:
    """Positions of the atoms by chain, residue and name, Å; NaN for those that the entry does not have."""
    chains = {chain.id: number for number, chain in enumerate(entry.chains)}
    words = {name: word for word, name in enumerate(np.unique(np.concatenate([structure.names, entry.names])).tolist())}
    starts = np.concatenate([[0], np.cumsum([len(chain.residues) for chain in entry.chains])])
    same = np.array([chains.get(chain.id, -1) for chain in structure.chains])[structure.chain]
    theirs = entry.residue_keys * len(words) + [words[name] for name in entry.names.tolist()]
    ours = (starts[same] + structure.residue) * len(words) + [words[name] for name in structure.names.tolist()]
    order = np.argsort(theirs)
    place = order[np.searchsorted(theirs, ours, sorter=order).clip(max=len(theirs) - 1)]
    found = (same >= 0) & (theirs[place] == ours)
    return np.where(found[:, None], entry.positions[place], np.nan)


def entry_labels(structure: Structure, entry: Entry, padded: int) -> Labels:
    """The same as a batch of one, padded to a number of atoms."""
    positions = torch.from_numpy(known_positions(structure, entry.structure)).float()
    resolved = positions.isfinite().all(dim=-1)
    more = padded - len(structure)
    return Labels(
        positions=F.pad(positions.nan_to_num(), (0, 0, 0, more))[None],
        resolved=F.pad(resolved, (0, more))[None],
        resolution=torch.tensor([torch.nan if entry.resolution is None else entry.resolution]),
    )
