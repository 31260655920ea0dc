"""``python -m cli``: the same as the ``historian`` script, for where scripts are not on the path."""

from cli.start import main

main()
