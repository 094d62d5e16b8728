"""Ligands as SDF: RDKit reads the molecule that was put in."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from alphafold3_pytorch.chem.ccd import component
from alphafold3_pytorch.inputs.build import BuildOptions, build
from alphafold3_pytorch.inputs.job import AtomAddress, Job, Ligand, Protein
from alphafold3_pytorch.predict.writer.sdf import ligand_sdfs
from alphafold3_pytorch.structure.table import Structure
from tests.predict.written import EVERYTHING, PROVENANCE, SMILES, confidence_of, placed, sample_of

CHITOBIOSE = "CC(=O)NC1C(O)OC(CO)C(OC2OC(CO)C(O)C(O)C2NC(C)=O)C1O"


def read(structure: Structure) -> dict[str, Any]:
    """Molecules by chain."""
    sample = sample_of(structure)
    texts = dict(ligand_sdfs(sample, confidence_of(sample), PROVENANCE))
    return {chain: next(Chem.ForwardSDMolSupplier(io.BytesIO(text.encode()))) for chain, text in texts.items()}


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    "smiles",
    [
        SMILES,
        "C/C=C\\C[S@](=O)c1ccc[n+]([O-])c1",
        "[NH3+][C@@H](CC([O-])=O)C(=O)OC",
        "c1ccc2[nH]c3c(cccc3)c2c1",
        "O=P([O-])([O-])OC[C@@]1(F)O[C@H](n2ccc(=O)[nH]c2=O)[C@@H](O)C1",
        "C[B-](F)(F)F",
        "CC[PH](C)(C)C",
        "N#[N+]c1ccccc1",
        "C1=C[CH]2->[Fe]C2=C1",
    ],
)
def test_smiles_come_back(smiles: str) -> None:
    structure = placed(Job("x", (Ligand(("A",), smiles=smiles),)))
    found = read(structure)["A"]
    assert Chem.MolToSmiles(found) == canonical(smiles)
    assert [atom.GetAtomicNum() for atom in found.GetAtoms()] == structure.elements.tolist()
    assert np.allclose(found.GetConformer().GetPositions(), structure.positions, atol=1e-4)


def test_deuterium_is_hydrogen() -> None:
    structure = placed(Job("x", (Ligand(("A",), smiles="[2H]C([2H])(C)O"),)))
    assert Chem.MolToSmiles(read(structure)["A"]) == "CCO"


@pytest.mark.parametrize(
    ("code", "smiles"),
    [
        ("ATP", "Nc1ncnc2c1ncn2[C@@H]1O[C@H](CO[P@@](=O)(O)O[P@](=O)(O)OP(=O)(O)O)[C@@H](O)[C@H]1O"),
        ("GOL", "OCC(O)CO"),
        ("PO4", "O=P([O-])([O-])[O-]"),
        ("SF4", "[S]12[Fe]3[S]4[Fe]1[S]1[Fe]2[S]3[Fe]41"),
        ("BGC", "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O"),
    ],
)
def test_components_come_back(code: str, smiles: str) -> None:
    structure = build(Job("x", (Ligand(("A",), codes=(code,)),)))
    ideal = component(code).ideal[[component(code).index[name] for name in structure.names.tolist()]]
    found = read(replace(structure, positions=ideal))["A"]
    assert Chem.MolToSmiles(found) == canonical(smiles)


def test_stereochemistry_is_the_predicted_one() -> None:
    structure = placed(Job("x", (Ligand(("A",), smiles="C[C@H](N)O"),)))
    mirrored = replace(structure, positions=structure.positions * (-1, 1, 1))
    assert Chem.MolToSmiles(read(mirrored)["A"]) == canonical("C[C@@H](N)O")


@pytest.mark.parametrize("leaving", ["bonded", "sugar oxygen"])
def test_sugars_are_one_molecule(leaving: Any) -> None:
    bond = AtomAddress("A", 1, "O4"), AtomAddress("A", 2, "C1")
    job = Job("x", (Ligand(("A",), codes=("NAG", "NAG")),), bonds=(bond,))
    structure = build(job, BuildOptions(leaving=leaving))
    found = read(replace(structure, positions=np.random.default_rng(0).normal(size=(len(structure), 3)) * 9))["A"]
    if leaving == "bonded":
        assert Chem.MolToSmiles(found, isomericSmiles=False) == canonical(CHITOBIOSE)
    else:  # the first sugar has lost its O1 too
        assert CalcMolFormula(found) == "C16H28N2O10"


def test_properties_say_what_it_is() -> None:
    structure = placed(EVERYTHING)
    found = read(structure)
    assert set(found) == {"B", "E", "F", "G"}  # not the ion
    assert found["B"].GetProp("components") == "NAG NAG BMA MAN MAN"
    assert found["B"].GetProp("_Name") == "NAG NAG BMA MAN MAN"
    own = sample_of(structure).plddt[structure.chain == [chain.id for chain in structure.chains].index("G")]
    expected = {"chain_id": "G", "mean_plddt": f"{own.mean():.2f}", "ranking_score": "0.8125", "weights": "a model"}
    assert expected.items() <= found["G"].GetPropsAsDict(autoConvertStrings=False).items()


def test_a_chemistry_that_rdkit_refuses_is_written_as_it_is() -> None:
    structure = placed(Job("x", (Protein(("A",), "GG"), Ligand(("B",), codes=("VA3",)))))
    sample = sample_of(structure)
    (chain, text), *_ = ligand_sdfs(sample, confidence_of(sample), PROVENANCE)
    assert chain == "B"
    found = Chem.MolFromMolBlock(text, sanitize=False)
    assert found.GetNumAtoms() == (structure.chain == 1).sum()
