"""The open process historian.

::

    import historian

    with historian.open("store") as h:
        h.sql("select * from snapshot")
        h.history(["FIC101.PV"], "-8h")

Importing this loads nothing else; what is used is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from historian.api import Historian
    from historian.api import open_historian as open  # noqa: A004 - users write historian.open, as with gzip.open
    from historian.errors import HistorianError

__all__ = ["Historian", "HistorianError", "__version__", "open"]

_PUBLIC: Final = {
    "Historian": ("historian.api", "Historian"),
    "HistorianError": ("historian.errors", "HistorianError"),
    "open": ("historian.api", "open_historian"),
}
"""Where each public name is, by module and name."""

_SIBLINGS: Final = ("storage", "collectors", "cli")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are anything
    """Load a public name when it is first used."""
    if name == "__version__":
        return _version()
    if name not in _PUBLIC:
        raise AttributeError(f"module 'historian' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    # Imported here, because reading a package's metadata takes longer than most commands' own work.
    from importlib.metadata import version  # noqa: PLC0415 - as above

    return version("plant-historian")


def _check_siblings() -> None:
    """Raise ImportError when ``storage``, ``collectors`` or ``cli`` is some other distribution's package.

    These names are common.  Another wheel that owns one would be imported instead, and fail far from the cause.
    """
    here = Path(__file__).resolve().parent.parent
    for name in _SIBLINGS:
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if place != here / name:
            raise ImportError(
                f"cannot start historian: its package {name!r} must be {here / name}, but "
                f"{f'Python finds {place}' if place else 'it is not there'}; remove what put it there, or install "
                "plant-historian into a virtual environment of its own",
                name=name,
            )


_check_siblings()
