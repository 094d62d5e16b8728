"""Cluster the chains and interfaces of the test set; the same as `af3 data cluster --split test`."""

from alphafold3_pytorch.curation.cluster_command import script

if __name__ == "__main__":
    script("test")
