"""Acceptance of a GPU: every path of the suite that needs one, tried on this card, with bounds fixed beforehand."""
