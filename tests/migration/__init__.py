"""The schema: how it comes to be, who may do what with it, and whether every query fits it."""
