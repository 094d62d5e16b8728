"""Cluster the chains and interfaces of the training set; the same as `af3 data cluster --split train`."""

from alphafold3_pytorch.curation.cluster_command import script

if __name__ == "__main__":
    script("train")
