"""`python -m shrinkage`: the command, where it is not on the path."""

import sys

from shrinkage.cli.main import main

sys.exit(main())
