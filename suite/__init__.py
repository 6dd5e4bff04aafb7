"""Reproducibility suite: part-aware representation learning (Zhu et al., TMLR 2023)."""
