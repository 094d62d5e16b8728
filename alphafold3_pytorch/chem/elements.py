"""Chemical elements by atomic number."""

SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh "
    "Fl Mc Lv Ts Og"
).split()

UNKNOWN = 0  # a dummy atom, X in the chemical component dictionary
NUMBERS = {symbol.upper(): number for number, symbol in enumerate(SYMBOLS, start=1)} | {"D": 1, "T": 1}
NUMBERS |= dict.fromkeys(("X", "*", "?"), UNKNOWN)


def atomic_number(symbol: str) -> int:
    """Of a symbol in any case; deuterium is hydrogen, and X is 0."""
    number = NUMBERS.get(symbol.strip().upper())
    if number is None:
        raise ValueError(
            f"element {symbol!r} does not exist; use a symbol of the periodic table, or X for a dummy atom"
        )
    return number


def symbol(number: int) -> str:
    """`6` is C, `17` is Cl, `0` is X."""
    return SYMBOLS[number - 1] if number else "X"
