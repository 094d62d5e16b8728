"""The weighted sampler under the import path of the original package."""

from alphafold3_pytorch.curation.sampler import WeightedPDBSampler

__all__ = ["WeightedPDBSampler"]
