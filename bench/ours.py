"""Worker: this package."""

import torch

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.features.windows import atompair_features, key_index
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.diffusion import DiffusionModule
from alphafold3_pytorch.nn.pair import MSABlock, PairformerBlock
from bench import system
from bench.system import System, activations
from bench.worker import Case, serve


def batch_of(case: System) -> FeatureBatch:
    """The system as one complex without MSA and templates."""
    n, m = case.tokens, case.atoms
    chain = torch.zeros(1, n, dtype=torch.long)
    element = torch.nn.functional.one_hot(case.elements, 128)
    name = torch.nn.functional.one_hot(case.names, 64).flatten(1)
    atoms = torch.cat([case.positions, torch.ones(m, 1), element, torch.zeros(m, 1), name], dim=1)[None]
    atom_mask = torch.ones(1, m, dtype=torch.bool)
    keys = key_index(atom_mask)
    first = torch.arange(0, m, system.ATOMS_PER_TOKEN)[None]
    return FeatureBatch(
        token_mask=torch.ones(1, n, dtype=torch.bool),
        restype=case.residues[None],
        residue_index=torch.arange(n)[None],
        token_index=torch.arange(n)[None],
        asym_id=chain,
        entity_id=chain,
        sym_id=chain,
        molecule_type=torch.tensor([True, False, False, False, False]).expand(1, n, 5),
        token_features=torch.rand(1, n, 33),
        token_bonds=torch.zeros(1, n, n),
        atom_mask=atom_mask,
        atom_features=atoms,
        atom_to_token=case.atom_to_token[None],
        atom_slot=torch.arange(system.ATOMS_PER_TOKEN).repeat(n)[None],
        key_index=keys,
        atompair_features=atompair_features(case.positions[None], case.atom_to_token[None], keys),
        centre_atom=first,
        distogram_atom=first,
        frame_atoms=first[..., None] + torch.arange(3),
    )


def pairformer(tokens: int) -> Case:
    block = system.randomise(PairformerBlock(system.DIM_SINGLE, system.DIM_PAIR))
    inputs = activations(1, tokens, system.DIM_SINGLE), activations(1, tokens, tokens, system.DIM_PAIR)
    return lambda: inputs, block


def msa(tokens: int) -> Case:
    block = system.randomise(MSABlock(system.DIM_MSA, system.DIM_PAIR))
    rows = activations(1, system.MSA_ROWS, tokens, system.DIM_MSA)
    mask = torch.ones(rows.shape[:3], dtype=torch.bool)
    inputs = rows, activations(1, tokens, tokens, system.DIM_PAIR), mask
    return lambda: inputs, block


def denoise(tokens: int, samples: int) -> Case:
    """Everything that is the same in all steps is prepared beforehand, as the sampler does."""
    module = system.randomise(DiffusionModule(NetworkConfig()))
    case = system.random_system(tokens)
    trunk = (
        activations(1, tokens, system.DIM_INPUTS),
        activations(1, tokens, system.DIM_SINGLE),
        activations(1, tokens, tokens, system.DIM_PAIR),
    )
    prepared = module.prepare(batch_of(case), *trunk)
    inputs = prepared, activations(1, samples, case.atoms, 3, scale=system.SIGMA), torch.tensor([[system.SIGMA]])
    return lambda: inputs, module


ROWS = {
    "pairformer": pairformer,
    "msa": msa,
    "denoise1": lambda tokens: denoise(tokens, 1),
    "denoise5": lambda tokens: denoise(tokens, 5),
}

if __name__ == "__main__":
    serve(ROWS)
