"""Who may ask: API keys and tokens of an issuer, by scope; and the certificates that callers and server show."""
