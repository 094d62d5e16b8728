import gzip
import io

import numpy as np
import pytest
from biotite.structure.io.pdbx import BinaryCIFBlock, BinaryCIFCategory, BinaryCIFColumn, BinaryCIFFile, CIFFile
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.structure import cif_text

values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
TEXT = "data_A\nloop_\n_t.name\n_t.x\na 1.5\n'b c' ?\nd -2\n#\n_entry.id A1\n"


def _column(column) -> BinaryCIFColumn:
    return BinaryCIFColumn(column.data.array, None if column.mask is None else column.mask.array)


def binary(text: str) -> bytes:
    """The same file as BinaryCIF, as Biotite writes it."""
    packed = io.BytesIO()
    file = BinaryCIFFile()
    for name, block in CIFFile.deserialize(text).items():
        file[name] = BinaryCIFBlock(
            {
                category: BinaryCIFCategory({item: _column(column) for item, column in table.items()})
                for category, table in block.items()
            }
        )
    file.write(packed)
    return packed.getvalue()


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_we_write_is_read_again(rows):
    table = {name: [row[place] for row in rows] for place, name in enumerate("abc")}
    (block,) = cif.read(cif_text.write("X", {"t": table, "e": {"id": ["7"]}}))
    for name, column in table.items():
        assert block.texts("t", name).tolist() == ["" if value in ("?", ".") else value for value in column]
    assert block.value("e", "id") == "7" and block.rows("t") == len(rows)


@given(st.text(max_size=200) | st.binary(max_size=60))
def test_anything_is_read_or_refused(source):
    try:
        for block in cif.read(source):
            block.numbers("atom_site", "Cartn_x", 0.0)
    except ValueError:
        pass


def test_texts_and_numbers():
    (block,) = cif.read(TEXT)
    assert block.texts("t", "name").tolist() == ["a", "b c", "d"] and block.texts("t", "x").tolist() == [
        "1.5",
        "",
        "-2",
    ]
    assert np.array_equal(block.numbers("t", "x"), [1.5, np.nan, -2], equal_nan=True)
    assert block.texts("t", "none", "-").tolist() == ["-"] * 3 and block.texts("none", "x", "-").tolist() == []
    assert block.value("entry", "id") == "A1" and block.value("entry", "none", "?") == "?" and "t" in block


def test_text_fields_may_hold_anything():
    field = "loop_\n_t.a\ndata_X\n#5\n_x"
    (block,) = cif.read(f"data_A\nloop_\n_t.a\n_t.b\n1\n;{field}\n; \n2\n;x\n;\n_e.id 3\n")
    assert block.texts("t", "b").tolist() == [field, "x"] and block.value("e", "id") == "3"


def test_a_table_may_have_no_rows():
    (block,) = cif.read("data_A\nloop_\n_t.a\n_t.b \n#\nloop_\n_u.a\n# one\n1\nloop_\n_v.a\n")
    assert [block.rows(name) for name in "tuv"] == [0, 1, 0] and block.texts("u", "a").tolist() == ["1"]


def test_values_may_stand_behind_a_text_field():
    (block,) = cif.read("data_A\nloop_\n_t.a\n_t.b\n_t.c\n1\n;MKV\nLL\n; A,C\n2\n;GG\n; B\n")
    assert block.texts("t", "b").tolist() == ["MKV\nLL", "GG"] and block.texts("t", "c").tolist() == ["A,C", "B"]


def test_files_of_all_kinds(tmp_path):
    raw = {"cif": TEXT.encode(), "bcif": binary(TEXT)}
    for name, content in (raw | {f"{name}.gz": gzip.compress(content) for name, content in raw.items()}).items():
        (tmp_path / name).write_bytes(content)
        (block,) = cif.read_file(tmp_path / name)
        assert block.texts("t", "name").tolist() == ["a", "b c", "d"], name
        assert np.array_equal(block.numbers("t", "x"), [1.5, np.nan, -2], equal_nan=True)
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"data_A")[:-5])
    with pytest.raises(ValueError, match="broken.gz cannot be read"):
        cif.read_file(tmp_path / "broken.gz")
    (tmp_path / "picture.cif").write_bytes(b"data_A \xff" + bytes(99999))
    with pytest.raises(ValueError, match="picture.cif cannot be read: 'utf-8' codec can't decode byte 0xff") as refusal:
        cif.read_file(tmp_path / "picture.cif")
    assert len(str(refusal.value)) < 300
    with pytest.raises(FileNotFoundError):
        cif.read_file(tmp_path / "none.cif")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_A\nloop_\n_a.x\n_a.y\n1 2 3\n", "data_A: the table _a cannot be read"),
        ("data_A\n_a.x\n;never ends\n", "data_A: the table _a cannot be read"),
        ("data_A\n_a.x one\n", "data_A: _a.x cannot be read: could not convert string to float: 'one'"),
        ("data_A\n_a.x inf\n", "data_A: _a.x cannot be read: a number is infinite"),
        ("data_A\n_a.y 1\n", "data_A has no _a.x, which is needed here"),
    ],
)
def test_mistakes_name_the_place(text, message):
    with pytest.raises(ValueError, match=message):
        cif.read(text)[0].numbers("a", "x")
