"""``python -m fastepll`` is ``fastepll``."""

import sys

from fastepll.cli import main

if __name__ == "__main__":
    sys.exit(main())
