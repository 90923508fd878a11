"""What each HTML page of ours stands on: templates that escape all values, and a policy that lets
in nothing but what the page itself bears.
"""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reconcile.language import Language
from reconcile.rendering.inert import visible


def environment(templates: Path, language: Language) -> Environment:
    """Return the templates of a folder, which speak a language by `_`."""
    found = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(_=language.say, language=language)
    found.filters.update(visible=visible)
    return found


def source(text: str) -> str:
    """Return how a policy names a style or script: by its digest, so that no other is let in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
