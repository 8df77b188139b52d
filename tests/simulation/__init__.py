"""The whole handler on one virtual clock: all of AWS around it are models, and a seed is a history."""
