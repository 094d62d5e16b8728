"""Filter mmCIF files of the PDB for the training set; the same as `af3 data filter --split train`."""

from alphafold3_pytorch.curation.filter_command import script

if __name__ == "__main__":
    script("train")
