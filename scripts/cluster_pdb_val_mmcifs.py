"""Cluster the chains and interfaces of the validation set; the same as `af3 data cluster --split val`."""

from alphafold3_pytorch.curation.cluster_command import script

if __name__ == "__main__":
    script("val")
