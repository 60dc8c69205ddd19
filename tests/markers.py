"""Values of the marker attribute and their meaning, for both parsers: the trigger's and the checks'.

Neither may import the other.
"""

from __future__ import annotations

MARKERS: list[tuple[str, tuple[str, str, int] | None]] = [
    ("0123abcd-epoch/eu-west-1:identity/1700000000", ("0123abcd-epoch", "eu-west-1:identity", 1_700_000_000)),
    ("void/eu-west-1:identity/0", ("void", "eu-west-1:identity", 0)),
    ("f/i/007", ("f", "i", 7)),
    ("", None),
    ("fingerprint", None),
    ("fingerprint/identity", None),
    ("fingerprint//1", None),
    ("/identity/1", None),
    ("//1", None),
    ("f/i/", None),
    ("f/i/-1", None),
    ("f/i/+1", None),
    ("f/i/1.5", None),
    ("f/i/x", None),
    ("f/i/1/2", None),
    ("f/i/ 1", None),
    ("f/i/1_000", None),
    ("f/i/\N{ARABIC-INDIC DIGIT SEVEN}", None),
    ("f/i/\N{SUPERSCRIPT TWO}", None),
]
