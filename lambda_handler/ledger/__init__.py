"""The ledger: what this stack declared, owns and is about to own, and the fence between its requests."""
