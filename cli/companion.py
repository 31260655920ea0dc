"""``python -m cli.companion``: the command line, run by another process that it must not outlive.

The same commands as ``historian``; when standard input, a pipe from the starter, ends, the command is interrupted as by
Ctrl-C and stops in order.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

from cli.main import main
from collectors.simulator.lifetime import when_starter_ends


def interrupt_ourselves() -> None:
    """What Ctrl-C does, from any thread."""
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)  # reaches a main thread that waits in a system call, too


if __name__ == "__main__":
    sys.argv[0] = "historian"  # as which it names itself, in the store's lock for one
    when_starter_ends(interrupt_ourselves)
    main()
