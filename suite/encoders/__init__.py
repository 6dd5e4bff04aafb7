"""Frozen encoders: images -> `Tokens`, one contract for seven releases, baselines and user models."""

from suite.encoders.architecture import BASE, MINI, Architecture
from suite.encoders.catalogue import CATALOGUE
from suite.encoders.encoder import Encoder, Tokens
from suite.encoders.load import load_encoder
from suite.encoders.method import Layout, Method, Source
from suite.encoders.wrap import wrap

__all__ = [
    "BASE",
    "CATALOGUE",
    "MINI",
    "Architecture",
    "Encoder",
    "Layout",
    "Method",
    "Source",
    "Tokens",
    "load_encoder",
    "wrap",
]
