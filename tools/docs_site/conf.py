"""The settings of Sphinx for the documentation site.

Owns nothing else. Nothing of the site is loaded from another host, so that it can be read, and searched, from a folder.
"""

from importlib.metadata import version as version_of

project = html_title = "Windows Server entitlements for Amazon EVS"
version = release = version_of("evs-entitlements")
root_doc = "index"
language = "en"
extensions = ["myst_parser"]
myst_heading_anchors = 6
#: Copies of files of the project that pages link to.
exclude_patterns = ["files"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = html_show_sphinx = html_show_copyright = html_show_sourcelink = html_use_index = False
#: What a page says around a word would be fetched from the page, which no browser allows in a folder.
html_show_search_summary = False
#: The usual colours of code are too bright on their ground.
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
highlight_language = "text"
