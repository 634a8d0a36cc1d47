"""How Sphinx makes the site from what build.py has laid out for it."""

import builtins
import inspect

from docutils.nodes import Text, document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

from pfslib import Commit, __version__
from pfslib.api import info

info.Commit = Commit  # which it imports for type checkers only

project = "pfslib"
version = release = __version__
copyright = "the authors of pfslib, Apache-2.0"  # noqa: A001 - its name for Sphinx
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
suppress_warnings = ["misc.highlighting_failure", "myst.header"]  # shown output; docs/cli.md

default_role = "py:obj"  # `name` in a docstring leads to what it names, if that is public
nitpicky = True
nitpick_ignore_regex = [
    ("py:(class|data|exc|attr|meth|func)", ".*"),  # of signatures
    ("py:obj", r"(os|pathlib|typing)\..*"),  # of Python, to whose pages no network leads
    ("py:obj", r"[a-z_\d]+"),  # an argument, or a field of something else
]
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "inherited-members": "BaseException,Enum,int,str,Struct,AbstractFileSystem,Transaction",
}
python_use_unqualified_type_names = True
maximum_signature_line_length = 80

html_theme = "furo"
html_title = "pfslib"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"light_css_variables": {"code-font-size": "73%"}}  # 100 characters a line


def leave_builtins(_: Sphinx, doctree: document) -> None:
    """Keep `bytes` in a signature from leading to an attribute of that name."""
    for reference in list(doctree.findall(pending_xref)):
        if isinstance(vars(builtins).get(reference["reftarget"]), type):
            reference.replace_self(Text(reference["reftarget"]))


def leave_out_inner(
    _app: Sphinx, _kind: str, name: str, member: object, _skipped: object, _options: object
) -> bool | None:
    """Leave out how records are made: that takes a transaction, and is for the library itself."""
    function = getattr(member, "__func__", member)
    inner = inspect.isfunction(function) and "txn" in inspect.signature(function).parameters
    return True if inner or name == "of" else None


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-skip-member", leave_out_inner)
    app.connect("doctree-read", leave_builtins)
