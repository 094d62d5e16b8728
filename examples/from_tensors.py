import torch

from alphafold3_pytorch import Alphafold3
from alphafold3_pytorch.utils.model_utils import exclusive_cumsum

model = Alphafold3(dim_atom_inputs=77, dim_template_feats=108)

# Two complexes of 16 tokens with two atoms each.
batch, tokens = 2, 16
molecule_atom_lens = torch.full((batch, tokens), 2).long()
atoms = int(molecule_atom_lens.sum(dim=-1).amax())
atom_offsets = exclusive_cumsum(molecule_atom_lens)

features = dict(
    atom_inputs=torch.randn(batch, atoms, 77),
    atompair_inputs=torch.randn(batch, atoms, atoms, 5),
    molecule_ids=torch.randint(0, 32, (batch, tokens)),
    molecule_atom_lens=molecule_atom_lens,
    additional_molecule_feats=torch.randint(0, 2, (batch, tokens, 5)),
    additional_msa_feats=torch.randn(batch, 7, tokens, 2),
    additional_token_feats=torch.randn(batch, tokens, 33),
    is_molecule_types=torch.randint(0, 2, (batch, tokens, 5)).bool(),
    is_molecule_mod=torch.randint(0, 2, (batch, tokens, 4)).bool(),
    msa=torch.randn(batch, 7, tokens, 32),
    msa_mask=torch.ones((batch, 7)).bool(),
    templates=torch.randn(batch, 2, tokens, tokens, 108),
    template_mask=torch.ones((batch, 2)).bool(),
)

# With labels the model returns a loss ...
loss = model(
    num_recycling_steps=2,
    **features,
    atom_pos=torch.randn(batch, atoms, 3),
    distogram_atom_indices=molecule_atom_lens - 1 + atom_offsets,
    molecule_atom_indices=torch.randint(0, 2, (batch, tokens)) + atom_offsets,
    distance_labels=torch.randint(0, 37, (batch, tokens, tokens)),
    resolved_labels=torch.randint(0, 2, (batch, atoms)),
)
loss.backward()
print(f"loss {loss.item():.3f}")

# ... without labels it samples positions.
sampled = model(num_recycling_steps=4, num_sample_steps=16, **features)
assert sampled.shape == (batch, atoms, 3) and torch.isfinite(sampled).all()
print(f"positions of {batch} x {atoms} atoms")
