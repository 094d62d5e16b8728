"""Laws: what is written comes back, or is named among what was lost; every word of a written file is understood."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.chem.component import read_components
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Dna,
    Entity,
    Job,
    Ligand,
    Modification,
    Polymer,
    Protein,
    Rna,
    Template,
    chain_names,
    head_to_tail,
)
from alphafold3_pytorch.inputs.molecule_files import sdf_names
from alphafold3_pytorch.inputs.read import read
from alphafold3_pytorch.inputs.write import WRITERS, write

LETTERS = {Protein: "ARNDCQEGHILKMFPSTWYV", Rna: "ACGU", Dna: "ACGT"}
MODIFIED = {Protein: "SEP", Rna: "PSU", Dna: "5CM"}
MODIFIED_LETTER = {Protein: "S", Rna: "U", Dna: "C"}
# beartype picks the items of a list that it checks at random, also where a strategy makes a job
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
words = st.text("abc XYZ-_'", max_size=8).map(lambda text: " ".join(text.split()))
OWN = """data_MY-1
_chem_comp.id MY-1
#
loop_
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.pdbx_model_Cartn_x_ideal
_chem_comp_atom.pdbx_model_Cartn_y_ideal
_chem_comp_atom.pdbx_model_Cartn_z_ideal
CA C 0 0 0
OB O 1.4 0 0
#
_chem_comp_bond.atom_id_1 CA
_chem_comp_bond.atom_id_2 OB
"""


@st.composite
def polymers(draw: Any, ids: tuple[str, ...]) -> Polymer:
    kind = draw(st.sampled_from([Protein, Rna, Dna]))
    sequence = draw(st.text(LETTERS[kind], min_size=1, max_size=9))
    fields: dict[str, Any] = {"description": draw(words)}
    if draw(st.booleans()):
        place = draw(st.integers(1, len(sequence)))
        sequence = sequence[: place - 1] + MODIFIED_LETTER[kind] + sequence[place:]
        fields["modifications"] = (Modification(MODIFIED[kind], place),)
    alignments = st.sampled_from([None, "", f">q\n{sequence}\n>hit\n{'-' * len(sequence)}\n"])
    if kind is not Dna:
        fields["unpaired_msa"] = draw(alignments)
    if kind is Protein:
        fields["paired_msa"] = draw(alignments)
        templates = [None, (), (Template("data_T\n", (0,), (3,)),)]
        fields["templates"] = draw(st.sampled_from(templates))
        if fields["templates"] is None:
            fields["template_hits"] = draw(st.sampled_from([None, "Query q\n", ">q\nMK\n", "# STOCKHOLM 1.0\n"]))
        fields["max_template_date"] = draw(st.sampled_from(["", "2021-09-30"]))
    return kind(ids, sequence, **fields)


@st.composite
def ligands(draw: Any, ids: tuple[str, ...]) -> Ligand:
    description = draw(words)
    codes = st.sampled_from([("ATP",), ("MG",), ("NAG", "NAG"), ("NAG",), ("MY-1",), ("MY-1", "MG"), ("004",), ("NO",)])
    if draw(st.booleans()):
        return Ligand(ids, codes=draw(codes), description=description)
    if draw(st.booleans()):
        return Ligand(ids, smiles=draw(st.sampled_from(["CCO", "C[C@H](N)C#N", "[Na+]"])), description=description)
    return Ligand(ids, component=from_smiles("C[C@@H](O)Cl", "X"), description=description)


@st.composite
def jobs(draw: Any) -> Job:
    names = chain_names() if draw(st.booleans()) else iter(["b", "C2", "A-2", "Z", "AB", "D", "E", "F", "G", "H"])
    entities: list[Entity] = []
    for _ in range(draw(st.integers(1, 3))):
        ids = tuple(next(names) for _ in range(draw(st.integers(1, 2))))
        entities.append(draw(polymers(ids) if draw(st.booleans()) else ligands(ids)))
    bonds = []
    for entity in entities:
        for chain in entity.ids:
            if isinstance(entity, Polymer) and len(entity.sequence) > 2 and draw(st.booleans()):
                bonds.append(head_to_tail(chain, entity))
            if isinstance(entity, Ligand) and entity.codes == ("NAG", "NAG") and draw(st.booleans()):
                bonds.append((AtomAddress(chain, 1, "O4"), AtomAddress(chain, 2, "C1")))
            if isinstance(entity, Ligand) and draw(st.booleans()):
                other = entities[0].ids[0]
                atom = "O1" if isinstance(entities[0], Ligand) else "C"
                bonds.append((AtomAddress(other, 1, atom), AtomAddress(chain, 1, "C1")))
    seeds = tuple(draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=2)))
    name = draw(st.sampled_from(["job", "a-b_c", "My job", "1.2"]))
    return Job(name, tuple(entities), tuple(bonds), draw(st.sampled_from([(1,), seeds])), read_components(OWN))


def written_back(job: Job, dialect: str, folder: Path) -> tuple[Job, list[str]]:
    """The job after a file was written and read."""
    draft = write([job], dialect)
    (name,) = draft.files
    for path, text in (draft.files | draft.attached).items():
        assert (folder / path).resolve().is_relative_to(folder.resolve())  # whatever chains are called
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (back,) = read(folder / name)
    return back, draft.lost


def essence(job: Job) -> tuple[Any, ...]:
    """What a job says, however it is said: copies one by one, a query alone for no alignment, molecules by atoms."""
    entities = []
    for chain, entity in job.chains():
        entity = replace(entity, ids=(chain,))
        if isinstance(entity, Polymer):
            alone = f"\n{entity.sequence}\n"
            texts = {name: getattr(entity, name) for name in ("unpaired_msa", "paired_msa")}
            query = {
                name: "" if text and text.partition("\n")[2] == alone[1:] else text for name, text in texts.items()
            }
            entity = replace(entity, **query)
        else:
            own = job.components.get(entity.codes[0]) if len(entity.codes) == 1 else entity.component
            if own is not None:
                names = sdf_names(own)
                heavy = sorted(names[name] for name, is_heavy in zip(own.names, own.heavy, strict=True) if is_heavy)
                entity = replace(
                    entity, codes=(), smiles="own", component=None, description=f"{entity.description} {heavy}"
                )
        entities.append(entity)
    renamed = {chain: sdf_names(own) for chain, own in molecules(job).items()}
    bonds = [
        tuple((end.chain, end.residue, renamed.get(end.chain, {}).get(end.atom, end.atom)) for end in bond)
        for bond in job.bonds
    ]
    return job.name, entities, sorted(bonds), job.seeds


def molecules(job: Job) -> dict[str, Any]:
    found = {}
    for chain, entity in job.chains():
        if isinstance(entity, Ligand):
            own = job.components.get(entity.codes[0]) if len(entity.codes) == 1 else entity.component
            if own is not None:
                found[chain] = own
    return found


@pytest.mark.parametrize("dialect", WRITERS)
@settings(max_examples=40, deadline=None)
@given(job=jobs())
def test_a_job_comes_back_or_its_losses_are_named(dialect, tmp_path_factory, job):
    try:
        back, lost = written_back(job, dialect, tmp_path_factory.mktemp("job"))
    except ValueError as error:
        assert "nothing of job" in str(error), error
        return
    assert lost or essence(back) == essence(job)
