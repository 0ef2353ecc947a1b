"""Paired benchmarks: Java's Chronicle Queue 2026.4 and pychronix in one run. See bench/README.md."""
