"""Colours: keys, texts, numbers and types of what is printed, where somebody looks.

Only escape sequences are put between the characters: without them the text is what it was. YAML and JSON are coloured by
the look of a line, not by parsing it: a wrong colour is no wrong value.
"""

from __future__ import annotations

import os
import re
import sys

__all__ = ["CHOICES", "coloured", "wanted"]

CHOICES = ("auto", "always", "never")

_SGR = {"key": "36", "text": "32", "type": "35", "remark": "2", "number": "33", "word": "33"}
_TOKENS = re.compile(
    r"""(?P<remark> (?: ^ | (?<=\s) ) (?: --- .* | \# .* ) )
      | (?P<key> "(?:[^"\\]|\\.)*" (?= :(?:\s|$|[-"\[{\d]|true|false|null) )
               | (?<![^\s{[,]) [A-Za-z_$][\w.$]* (?= :(?:\s|$) ) )
      | (?P<text> "(?:[^"\\]|\\.)*" | '(?:[^']|'')*' )
      | (?P<type> !{1,2}[A-Za-z_][\w.$;\[\]-]* )
      | (?P<number> (?<![\w.:+/-]) [-+]? (?: 0x[0-9a-fA-F]+ | \d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)? ) (?![\w.:/+-]) )
      | (?P<word> (?<![\w.-]) (?:true|false|null|NaN|-?Infinity) (?![\w.-]) )""",
    re.VERBOSE | re.MULTILINE,
)


def wanted(choice: str) -> bool:
    """Whether ``--color`` means colours: unasked on a terminal that has some and a user who did not say NO_COLOR."""
    if choice != "auto":
        return choice == "always"
    # https://no-color.org: present and not empty, whatever its value.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return not plain and sys.stdout is not None and sys.stdout.isatty()


def coloured(text: str) -> str:
    """YAML or JSON with colours."""
    return _TOKENS.sub(lambda found: f"\x1b[{_SGR[found.lastgroup or 'text']}m{found[0]}\x1b[0m", text)
