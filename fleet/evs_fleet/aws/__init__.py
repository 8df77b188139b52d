"""Everything of the command that talks to AWS. Only reads: no call from here changes anything in an account."""
