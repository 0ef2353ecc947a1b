"""Fixtures of the crash tests."""

from crash_program import program

__all__ = ["program"]
