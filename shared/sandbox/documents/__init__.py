"""The documents that are made from the code, so that they cannot drift from it.

Public: `readme_with_blocks` (the README with every generated block made anew), `openapi_text` (deploy/openapi.json),
`stale_documents` (what differs from the code) and `write_documents`.
"""

from shared.sandbox.documents.files import openapi_text, readme_with_blocks, stale_documents, write_documents

__all__ = ["openapi_text", "readme_with_blocks", "stale_documents", "write_documents"]
