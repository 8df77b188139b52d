"""What tests, demo and benchmarks share: the CDK CLI, requests and contexts of Lambda, and who receives the answers.

Knows nothing of tests, demo and benchmarks, and asserts nothing.
"""
