"""One service or room at a time on a real PostgreSQL; the world outside is played by the fakes that ship."""
