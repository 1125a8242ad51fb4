"""The identity issuer of the sandbox: signs the OIDC tokens that Google would sign, and publishes the keys.

The services verify them with the code they use in production; only the issuer and the key address differ.

Public: IdentityKey (mint any token, also a wrong one), IdentityService (in process), IdentityClient (HTTP, cached),
IdentityUnavailable, command (argv of the process).
"""

from shared.sandbox.identity.client import IdentityClient, IdentityUnavailable
from shared.sandbox.identity.command import command
from shared.sandbox.identity.key import IdentityKey
from shared.sandbox.identity.service import IdentityService

__all__ = ["IdentityClient", "IdentityKey", "IdentityService", "IdentityUnavailable", "command"]
