import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.chem import cif

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12) | words


def quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    return f"\n;{value}\n;\n"


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_tables_come_back(rows):
    text = (
        "data_X\nloop_\n_t.a\n_t.b\n_t.c\n" + "\n".join(" ".join(map(quoted, row)) for row in rows) + "\n#\n_e.id 7\n"
    )
    (block,) = cif.read(text)
    assert [list(row) for row in zip(*(block.column("t", name) for name in "abc"), strict=True)] == rows
    assert block.value("e", "id") == "7"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        cif.read(text)
    except ValueError:
        pass


def test_quotes_comments_and_text_fields():
    (block,) = cif.read("data_A\n_a.x 'it's' # comment\n_a.y \"5' end\"\n_a.z\n;two\nlines\n;\n_a.w O5'\n")
    assert block.table("a") == {"x": ["it's"], "y": ["5' end"], "z": ["two\nlines"], "w": ["O5'"]}
    assert block.column("a", "none", "?") == ["?"] and block.value("b", "none") == "?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_A\nloop_\n_a.x\n_a.y\n1 2 3\n", "3 values for 2 names"),
        ("data_A\n_a.x\n_a.y 1\n", "0 values for 1 names"),
        ("data_A\n_a.x\n;never ends\n", "ends inside a text field"),
        ("_a.x 1\n", "before the first data_"),
        ("data_A\nvalue\n", "belongs to no name"),
        ("data_A\n_plain 1\n", "has no category"),
        ("data_A\nsave_frame\n", "CIF dictionary"),
    ],
)
def test_mistakes_have_a_line_number(text, message):
    with pytest.raises(ValueError, match=rf"line \d+: .*{message}"):
        cif.read(text)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="data_A has no _a.y"):
        cif.read("data_A\n_a.x 1\n")[0].column("a", "y")
