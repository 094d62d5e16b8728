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


def test_blocks_and_tables_need_no_mark_between_them():
    text = "\r\n\tdata_A\r\n_c.id A LOOP_ _a.x\t_a.y # two columns\r\n1 'it's' 2\r\n;b\r\nc\r\n;\r\nDATA_A _c.id  B"
    first, second = cif.read(text)
    assert (first.name, second.name) == ("A", "A")  # not lost, though they have one name
    assert first.texts("a", "x").tolist() == ["1", "2"] and first.texts("a", "y").tolist() == ["it's", "b\nc"]
    assert first.value("c", "id") == "A" and second.value("c", "id") == "B" and "a" not in second


def test_what_does_not_start_with_a_block_has_none():
    assert cif.read("") == cif.read("# nothing\n") == cif.read("HEADER  data_A\n_a.x 1\n") == []


spaces = st.sampled_from([" ", "\t", "\n", "  \n\n ", " # a 'remark\n", "\n#\n", "\n# data_X loop_\n "])
table_values = st.text("aB1 .?'\"#;_\n", max_size=5).filter(
    lambda value: value not in cif.UNKNOWN and "\n;" not in value
)


@st.composite
def legal_word(draw, value: str) -> str:
    """A value in one of the ways in which it may stand."""
    ways = [f"\n;{value}\n;"]
    ways += [f"{mark}{value}{mark}" for mark in "'\"" if "\n" not in value and f"{mark} " not in value]
    if value and value[0] not in "#'\";_" and not set(" \n") & set(value):
        ways.append(value)
    return draw(st.sampled_from(ways))


@st.composite
def legal_text(draw, tables: dict[str, list[list[str]]]) -> str:
    case = lambda word: draw(st.sampled_from([word, word.upper()]))  # noqa: E731
    words = [f"{case('data_')}X"]
    for name, rows in tables.items():
        columns = [f"_{name}.{letter}" for letter in "abc"[: len(rows[0])]]
        values = [draw(legal_word(value)) for row in rows for value in row]
        if len(rows) == 1 and draw(st.booleans()):
            words += [word for pair in zip(columns, values, strict=True) for word in pair]
        else:
            words += [case("loop_"), *columns, *values]
    text = "".join(draw(spaces) + word for word in words) + draw(spaces)
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(st.data())
def test_legal_styles_read_equal(data):
    row = lambda width: st.lists(table_values, min_size=width, max_size=width)  # noqa: E731
    rows = st.integers(1, 3).flatmap(lambda width: st.lists(row(width), min_size=1, max_size=3))
    tables = data.draw(st.dictionaries(st.sampled_from(["t", "chem_comp", "u"]), rows, min_size=1))
    (block,) = cif.read(data.draw(legal_text(tables)))
    for name, content in tables.items():
        for place, letter in enumerate("abc"[: len(content[0])]):
            assert block.texts(name, letter).tolist() == [row[place] for row in content]


def test_a_question_mark_in_quotes_is_one():
    (block,) = cif.read("data_A\nloop_\n_t.a\n? '?' . \".\"\n")
    assert block.texts("t", "a").tolist() == ["", "?", "", "."]


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
        ("data_A\nloop_\n_a.x\n_a.y\n1 2 3\n", "data_A: the table _a has 3 values where _a.y ends a row"),
        ("data_A\n_a.x\n;never ends\n", "the text field ;never ends does not end"),
        ("data_A\n_a.x 'never ends\n", "the quote 'never does not end on its line"),
        ("data_A\n_a.x\n_a.y 1\n", "data_A: _a.x has 0 values; it needs one"),
        ("data_A\n_a.x 1 2\n", "data_A: _a.x has 2 values; it needs one"),
        ("data_A\nloop_\n_a.x\n1 2\n_a.y 1\n", "data_A: the table _a has 1 values"),
        ("data_A\n_a.x 1\n_a.x 2\n", "data_A: the table _a has the column x twice"),
        ("data_A stray\n_a.x 1\n", "data_A stray is not understood"),
        ("data_A\nsave_frame\n_a.x 1\nsave_\n", "save_frame is not understood"),
        ("data_A\n_a.x one\n", "data_A: _a.x cannot be read: could not convert string to float: 'one'"),
        ("data_A\n_a.x inf\n", "data_A: _a.x cannot be read: a number is infinite"),
        ("data_A\n_a.y 1\n", "data_A has no _a.x, which is needed here"),
    ],
)
def test_mistakes_name_the_place(text, message):
    with pytest.raises(ValueError, match=message):
        cif.read(text)[0].numbers("a", "x")
