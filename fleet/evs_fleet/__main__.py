"""`python -m evs_fleet`, for where the console script is not on the path."""

from evs_fleet.cli import main

main()
