"""Builds the C core through cffi; everything else about the package is said in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["native/ffi_build.py:ffibuilder"])
