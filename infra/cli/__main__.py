"""`python -m infra.cli`: the same as `homeguru`."""

from infra.cli import main

main()
