"""What is wrong with entitlements: one reading for the command, for the function's answers and for the monitor.

Imports the standard library alone and calls nothing: it is staged into the code of the functions, too.
"""
