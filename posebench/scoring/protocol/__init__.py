"""Protocols: what is scored, on which frames, with which metrics and averages. One versioned, digested TOML file each.

Imports ``base``.
Start with ``definition.py``: what a protocol states.
"""

from posebench.scoring.protocol.definition import AVERAGES, Protocol
from posebench.scoring.protocol.files import find_protocols, load_protocol, protocol_ids
from posebench.scoring.protocol.metric import ALIGNMENTS, ORACLE_ALIGNMENTS, STATISTICS, Metric, higher_is_better
from posebench.scoring.protocol.text import describe, describe_metric

__all__ = [
    "ALIGNMENTS",
    "AVERAGES",
    "ORACLE_ALIGNMENTS",
    "STATISTICS",
    "Metric",
    "Protocol",
    "describe",
    "describe_metric",
    "find_protocols",
    "higher_is_better",
    "load_protocol",
    "protocol_ids",
]
