"""What we believe of the libraries and services that we stand on; a new version must still do it."""
