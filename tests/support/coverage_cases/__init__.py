"""Synthetic campaigns of known truth, fed to the package's own estimators and judges.

A file a group of rows, each with a tuple `CASES`; `registry` finds them.
"""
