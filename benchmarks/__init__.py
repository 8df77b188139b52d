"""Measures this project's function beside what a user would take instead, on one machine in one run."""

from pathlib import Path

#: This folder.
HERE = Path(__file__).resolve().parent
ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
#: The first VM of the benchmark's inventory.
FIRST_VM = 10_001
