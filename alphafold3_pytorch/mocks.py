"""Made-up data for trying out a training loop: a door beside the rooms, as in the original package."""

import torch
from torch.utils.data import Dataset

from alphafold3_pytorch.inputs.alphafold3_input import AtomInput


class MockAtomDataset(Dataset):
    """AtomInputs of random numbers with random ground truth. The same index is always the same example."""

    def __init__(
        self,
        data_length: int,
        max_seq_len: int = 16,
        atoms_per_window: int = 4,
        dim_atom_inputs: int = 77,
        has_molecule_mods: bool = True,
        num_molecule_types: int = 32,
    ):
        self.length, self.most, self.window = data_length, max_seq_len, atoms_per_window
        self.dim, self.has_mods, self.types = dim_atom_inputs, has_molecule_mods, num_molecule_types

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> AtomInput:
        if not 0 <= index < self.length:
            raise IndexError(index)
        draw = torch.Generator().manual_seed(index)
        n = int(torch.randint(1, self.most + 1, (), generator=draw))
        lengths = torch.randint(1, self.window + 1, (n,), generator=draw)
        first, m = lengths.cumsum(0) - lengths, int(lengths.sum())
        normal = lambda *shape: torch.randn(shape, generator=draw)  # noqa: E731
        whole = lambda below, *shape: torch.randint(below, shape, generator=draw)  # noqa: E731
        return AtomInput(
            atom_inputs=normal(m, self.dim),
            atompair_inputs=normal(m, m, 5),
            molecule_ids=whole(self.types, n),
            molecule_atom_lens=lengths,
            additional_molecule_feats=whole(2, n, 5),
            additional_msa_feats=normal(7, n, 2),
            additional_token_feats=normal(n, 33),
            is_molecule_types=torch.nn.functional.one_hot(whole(5, n), 5).bool(),
            is_molecule_mod=whole(2, n, 4).bool() if self.has_mods else None,
            token_bonds=torch.zeros(n, n, dtype=torch.bool),
            msa=normal(7, n, 32),
            msa_mask=torch.ones(7, dtype=torch.bool),
            templates=normal(2, n, n, 108),
            template_mask=torch.ones(2, dtype=torch.bool),
            atom_pos=10 * normal(m, 3),
            molecule_atom_indices=first,
            distogram_atom_indices=first + lengths - 1,
            distance_labels=whole(37, n, n),
            resolved_labels=whole(2, m),
        )
