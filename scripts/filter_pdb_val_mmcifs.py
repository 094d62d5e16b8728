"""Filter mmCIF files of the PDB for the validation set; the same as `af3 data filter --split val`."""

from alphafold3_pytorch.curation.filter_command import script

if __name__ == "__main__":
    script("val")
