"""Components by code: the chemical component dictionary, and what a user adds to it."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from alphafold3_pytorch.chem.ccd_cache import dictionary
from alphafold3_pytorch.chem.component import Component


class Components:
    """Looks codes up among the user's own components first, then in the dictionary."""

    def __init__(self, own: Mapping[str, Component] | None = None):
        self.own = dict(own or {})

    def __contains__(self, code: str) -> bool:
        return code in self.own or standard_component(code) is not None

    def __getitem__(self, code: str) -> Component:
        component = self.own.get(code) or standard_component(code)
        if component is None:
            raise ValueError(f"unknown component code {code!r}{self._hint(code)}")
        return component

    def _hint(self, code: str) -> str:
        upper = code.upper()
        if upper in self:
            return f"; did you mean {upper}?"
        codes = [raw.decode() for raw in dictionary().codes.tolist()]
        near = [f"{match} ({self[match].name.lower()})" for match in get_close_matches(upper, [*self.own, *codes], n=3)]
        ways = "give the ligand as SMILES, or define the component in mmCIF form"
        return f"; near ones are {', '.join(near)}; or {ways}" if near else f"; {ways}"


@lru_cache(maxsize=4096)
def standard_component(code: str) -> Component | None:
    """A component of the dictionary, or None."""
    return dictionary().component(code)


def component(code: str) -> Component:
    """A component of the dictionary. Raises ValueError with the near codes where there is none."""
    return Components()[code]
