"""Who types a command, for the audit."""

from __future__ import annotations

import getpass


def person() -> str:
    """The name of the account; "unknown" for one without a name, as those of services may be."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
