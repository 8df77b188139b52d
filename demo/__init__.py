"""Shows on this machine what the project does: the real CDK CLI, step by step, against the local AWS."""
