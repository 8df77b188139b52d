"""A first hour with a real account: what AWS answers, held against what this project assumes of it.

    make acceptance ENVIRONMENT=env-abcde12345 VM=vm-101

It entitles the VM, deploys stacks, cleans up, and writes a report. docs/acceptance.md says what it costs and changes.
"""
