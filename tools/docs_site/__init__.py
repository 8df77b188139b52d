"""The documentation site: README.md, docs/ and the other pages of this project as HTML, to be read offline.

`python -m tools.docs_site` builds it into site/. Owns how pages of the repository become pages of the site, and what is
made from the code: the reference of the command and that of the construct. The pages themselves are in docs/.
"""
