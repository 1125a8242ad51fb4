"""Every port: the same suite on the fake and on the real thing."""
