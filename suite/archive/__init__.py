"""A run as evidence: the digest by which it is cited, its check, its packages, its archive.

See docs/explanation/provenance.md.
"""
