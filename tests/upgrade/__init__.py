"""What earlier versions have left in a user's account, and that this version goes on from there, and back.

A folder for each version holds what it wrote: its cloud assembly and ledgers. `store.py` writes such a folder.
"""
