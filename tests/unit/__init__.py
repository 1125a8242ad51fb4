"""The core and the pure parts, table-driven, in milliseconds: no database, no network, no patches."""
