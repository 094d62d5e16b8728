"""The rule engine: rearrangements and their inverses, and what it says about files that do not fit."""

import pytest
import torch

from alphafold3_pytorch.weights import rules
from alphafold3_pytorch.weights.alphafold3_blocks import flat, interleaved
from alphafold3_pytorch.weights.rules import Alias, Ignore, Op, Part, Rulebook, WeightsError, rule

OPS = {
    "keep": (rules.KEEP, (3, 4), (3, 4)),
    "row": (rules.ROW, (3, 4), (1, 3, 4)),
    "column": (rules.COLUMN, (3,), (3, 1)),
    "reshape": (rules.reshape((3, 4), (12,)), (3, 4), (12,)),
    "permute": (rules.permute(2, 0, 1), (3, 4, 5), (5, 3, 4)),
    "dense": (rules.dense(4, 5), (3, 4, 5), (20, 3)),
    "columns": (rules.columns((2, 0, 1)), (4, 3), (4, 3)),
    "pad_columns": (rules.pad_columns(1, 2), (4, 3), (4, 6)),
    "flat": (flat(4, 5), (4, 5, 3), (20, 3)),
    "interleaved": (interleaved(swap=False), (6, 3), (6, 3)),
    "swapped": (interleaved(swap=True), (6, 3), (6, 3)),
    "chain": (rules.chain(rules.permute(1, 0), rules.ROW), (3, 4), (1, 4, 3)),
}


@pytest.mark.parametrize("name", OPS)
def test_op_and_its_inverse(name):
    op, theirs, ours = OPS[name]
    x = torch.randn(theirs)
    assert op.load(x).shape == ours
    assert torch.equal(op.export(op.load(x)), x)


def test_what_some_ops_do():
    assert rules.columns((2, 0, 1)).load(torch.tensor([10, 11, 12])).tolist() == [12, 10, 11]
    assert rules.pad_columns(1, 2).load(torch.ones(1, 1)).tolist() == [[0, 1, 0, 0]]
    assert interleaved(swap=False).load(torch.arange(4)).tolist() == [0, 2, 1, 3]
    assert interleaved(swap=True).load(torch.arange(4)).tolist() == [1, 3, 0, 2]


BOOK = Rulebook(
    (
        rule("joined.weight", "a.weight", "b.weight"),
        rule("unequal.weight", "c.weight", "d.weight", dim=1, sizes=(1, 3)),
        rule("first.scale", Part("stack.scale", index=(0,))),
        rule("second.scale", Part("stack.scale", index=(1,))),
    ),
    ignores=(
        Ignore("unread", "nothing reads it", (7,)),
        Ignore("stack.scale", "the last layer is not run", index=(2,)),
        Ignore("version", "told by the keys", fill=torch.tensor([2.0]), optional=True),
    ),
    aliases=(Alias("again.a.", "a."),),
    constants={"table": torch.arange(3.0)},
)
SOURCE = {
    "a.weight": torch.randn(2, 4),
    "b.weight": torch.randn(2, 4),
    "c.weight": torch.randn(5, 1),
    "d.weight": torch.randn(5, 3),
    "stack.scale": torch.randn(3, 6),
    "unread": torch.randn(7),
}
TARGET = {"joined.weight": (4, 4), "unequal.weight": (5, 4), "first.scale": (6,), "second.scale": (6,), "table": (3,)}


def source(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    changed = SOURCE | {name.replace("__", "."): value for name, value in changes.items()}
    return {key: value for key, value in changed.items() if value is not None}


def test_load_and_export():
    state = BOOK.load(source(), TARGET)
    assert {name: tuple(value.shape) for name, value in state.items()} == TARGET
    assert torch.equal(state["joined.weight"], torch.cat([SOURCE["a.weight"], SOURCE["b.weight"]]))
    assert torch.equal(state["second.scale"], SOURCE["stack.scale"][1])
    back = BOOK.export(state)
    assert set(back) == {*SOURCE, "version", "again.a.weight"}
    assert all(torch.equal(back[key], SOURCE[key]) for key in ("a.weight", "b.weight", "c.weight", "d.weight"))
    assert torch.equal(back["stack.scale"][:2], SOURCE["stack.scale"][:2])
    assert not back["stack.scale"][2].any() and not back["unread"].any(), "what nothing reads is written as zeros"
    assert torch.equal(back["again.a.weight"], SOURCE["a.weight"]) and back["version"].tolist() == [2.0]
    assert not BOOK.changed_by_loading(SOURCE) and not BOOK.changed_by_export(state, back)


def test_precision_and_freeing():
    arrays = source()
    state = BOOK.load(arrays, TARGET, torch.bfloat16, free=True)
    assert {value.dtype for value in state.values()} == {torch.bfloat16}
    assert set(arrays) == {"unread"}


def test_ignored_is_told_by_reason():
    told = BOOK.ignored(rules.shapes_of(source() | {"again.a.weight": SOURCE["a.weight"]}))
    assert [(each.arrays, each.values) for each in told] == [(1, 7), (1, 6), (1, 8)]
    assert [each.reason for each in told][1] == "the last layer is not run"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a__weight": None}, "^1 array missing: a.weight$"),
        ({"extra": torch.ones(1)}, "^1 array not part of the model: extra$"),
        ({"c__weight": None, "c__weigth": torch.ones(5, 1)}, "a mistaken name. c.weigth for c.weight"),
        ({"d__weight": torch.ones(5, 2)}, r"1 array of the wrong shape: c.weight \[5, 1\] \+ d.weight \[5, 2\]"),
        (
            {"a__weight": torch.ones(2, 3), "b__weight": torch.ones(2, 3)},
            r"give \[4, 3\] where joined.weight is \[4, 4\]",
        ),
        ({"stack__scale": torch.randn(4, 6)}, r"not part of the model: stack.scale\[3\]"),
        ({"again__a__other": torch.ones(1)}, "not part of the model: again.a.other"),
        (
            {name.replace(".", "__"): None for name in SOURCE},
            "^6 arrays missing: a.weight, b.weight, c.weight, d.weight and 2",
        ),
    ],
)
def test_a_file_that_does_not_fit(changes, message):
    with pytest.raises(WeightsError, match=message):
        BOOK.load(source(**changes), TARGET)


def test_rules_that_do_not_fit_the_network_are_our_mistake():
    for target in (TARGET | {"new.weight": (1,)}, {"table": (3,)}):
        with pytest.raises(AssertionError, match="exactly once"):
            BOOK.check(rules.shapes_of(SOURCE), target)


def test_a_parameter_that_cannot_be_taken_apart():
    with pytest.raises(WeightsError, match=r"joined.weight \[3, 4\] is not made of parts"):
        BOOK.export({"joined.weight": torch.ones(3, 4)})


def test_export_that_loses_something_is_noticed():
    padded = Rulebook((rule("w", Part("w", rules.pad_columns(1, 0))),), constants={"table": torch.arange(3.0)})
    state = {"w": torch.ones(2, 3), "table": torch.arange(3.0) + 1}
    assert padded.changed_by_export(state, padded.export(state)) == ["w", "table"]


def test_identical_means_every_bit():
    nan = torch.tensor([float("nan"), 1.0])
    assert rules.identical(nan, nan.clone())
    assert not rules.identical(nan, torch.tensor([1.0, 1.0]))
    assert not rules.identical(torch.ones(2), torch.ones(2, dtype=torch.float16))
    assert isinstance(rules.KEEP, Op)
