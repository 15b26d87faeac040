"""Started by path in an isolated interpreter without `site`: `python -I -S …/sidecar`. Its orders come by stdin."""

import sys

# The folder above the package: behind the standard library, so nothing of it can be shadowed.
sys.path.append(__file__.rsplit("/prefect_jobs/", 1)[0])

from prefect_jobs.sidecar.duty import main

main()
