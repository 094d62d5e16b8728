import re

import pytest
from rdkit import Chem

from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input
from alphafold3_pytorch.inputs.job import Ligand


def test_chains_are_in_the_order_of_the_readme():
    job = Alphafold3Input(
        proteins=["AG", "MK"],
        ss_dna=["ACG"],
        ss_rna=["ACGU"],
        ds_dna=["AAC"],
        ds_rna=["GGU"],
        ligands=["CCO", Chem.MolFromSmiles("c1ccccc1")],
        metal_ions=["Mg", "Fe2+"],
        seed=7,
    ).to_job()
    polymers = [entity for entity in job.entities if not isinstance(entity, Ligand)]
    assert [entity.sequence for entity in polymers] == ["AG", "MK", "ACGU", "GGU", "ACC", "ACG", "AAC", "GTT"]
    assert [entity.kind for entity in polymers] == ["protein"] * 2 + ["rna"] * 3 + ["dna"] * 3
    ligands = [entity for entity in job.entities if isinstance(entity, Ligand)]
    assert [ligand.codes for ligand in ligands[-2:]] == [("MG",), ("FE2",)] and job.seeds == (7,)
    assert len({chain for chain, _ in job.chains()}) == 12


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(proteins="AG"), "proteins is one string; it must be a list: proteins=['AG']"),
        (dict(proteins=["AG", "MB"]), "proteins[1] has the letter 'B'"),
        (dict(ss_rna=["ACT"]), "ss_rna[0] has the letter 'T'; use ACGUN, N for unknown"),
        (dict(ds_dna=["ACU"]), "ds_dna[0] has the letter 'U'"),
        (dict(ss_dna=[""]), "ss_dna[0] is ''"),
        (dict(misc_molecule_ids=["ATP"]), "misc_molecule_ids has no meaning here"),
    ],
)
def test_what_cannot_be_a_sequence_is_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Alphafold3Input(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(), "Alphafold3Input is empty"),
        (dict(metal_ions=["Unobtainium"]), "metal_ions: 'Unobtainium' is not an ion"),
        (dict(ligands=[3]), "ligands[0] is 3; give SMILES or an RDKit molecule"),
    ],
)
def test_what_cannot_be_an_entity_is_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Alphafold3Input(**given).to_job()
