"""Small models that tests serve: `oracle`, copied with another factor or a fault at load where one is wanted, `teller`,
which streams, and `hostile`, which tries to get out."""

import shutil
from pathlib import Path

ORACLE = Path(__file__).parent / "oracle"
TELLER = Path(__file__).parent / "teller"
HOSTILE = Path(__file__).parent / "hostile"


def oracle(target: Path, factor: float, on_load: str = "", dies_from: float | None = None) -> Path:
    """A copy of the oracle in `target` that multiplies by `factor`, and fails at load or from an x on where asked."""
    shutil.copytree(ORACLE, target)
    (target / "data" / "factor.txt").write_text(f"{factor}\n")
    if on_load:
        (target / "data" / "on_load.txt").write_text(on_load)
    if dies_from is not None:
        (target / "data" / "dies_from.txt").write_text(f"{dies_from}\n")
    return target


def hostile(target: Path, on_load: str = "") -> Path:
    """A copy of the hostile model in `target`, which tries a way out, as "way target", at load where asked."""
    shutil.copytree(HOSTILE, target)
    if on_load:
        (target / "on_load.txt").write_text(on_load)
    return target
