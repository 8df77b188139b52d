"""Tests of the tree as it is handed on: stacks, requirements, workflows, words."""
