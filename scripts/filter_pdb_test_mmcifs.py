"""Filter mmCIF files of the PDB for the test set; the same as `af3 data filter --split test`."""

from alphafold3_pytorch.curation.filter_command import script

if __name__ == "__main__":
    script("test")
