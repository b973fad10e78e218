"""Attacks, as tests: one file a subject. What a subject had elsewhere stays there, and SECURITY.md names both.

Guards of ours were taken away one by one, and these tests failed.
"""
