import torch

from alphafold3_pytorch import Alphafold3, Alphafold3Input

# A small model: two pairformer blocks, one block everywhere else.
model = Alphafold3(
    dim_atom_inputs=3,
    dim_atompair_inputs=5,
    atoms_per_window=27,
    dim_template_feats=108,
    num_molecule_mods=0,
    confidence_head_kwargs=dict(pairformer_depth=1),
    template_embedder_kwargs=dict(pairformer_stack_depth=1),
    msa_module_kwargs=dict(depth=1),
    pairformer_stack=dict(depth=2),
    diffusion_module_kwargs=dict(atom_encoder_depth=1, token_transformer_depth=1, atom_decoder_depth=1),
)

# One training step on the dipeptide Ala-Gly: five and four heavy atoms, with made-up positions.
positions = [torch.randn(5, 3), torch.randn(4, 3)]
loss = model.forward_with_alphafold3_inputs([Alphafold3Input(proteins=["AG"], atom_pos=positions)])
loss.backward()
print(f"loss {loss.item():.3f}")

# A prediction for the same sequence.
model.eval()
sampled = model.forward_with_alphafold3_inputs(Alphafold3Input(proteins=["AG"]))
assert sampled.shape == (1, 9, 3) and torch.isfinite(sampled).all()
print(f"positions of {sampled.shape[1]} atoms")
