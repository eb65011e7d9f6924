"""The command line: ``porecast`` or ``python -m porecast``."""

import signal
import sys

from porecast import _porecast


def main() -> None:
    """Run the program with the arguments of this process and exit with its code."""
    # As in any program: Python would only note Ctrl-C, for later.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_porecast.program(["porecast", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
