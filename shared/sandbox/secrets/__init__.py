"""The Secret Manager of the sandbox: the genuine client speaks to it over gRPC, and it can go wrong on command.

Public: `command` (argv of the process), `VALUES_VARIABLE` (where its first secrets come from). For use inside a test:
`shared.sandbox.secrets.service.SecretService`; it is not imported here because gRPC takes its time.
"""

from shared.sandbox.secrets.command import VALUES_VARIABLE, command

__all__ = ["VALUES_VARIABLE", "command"]
