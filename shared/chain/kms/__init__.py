"""The wallet's key in Cloud KMS: it signs what it is given, cannot be copied, and is believed in nothing.

`KmsSigner` is the `Signer`; `KmsClient` is what it needs of google-cloud-kms. `crc32c`, `read_der` and `address_of_pem`
read the service's answers strictly: whatever is not exactly as it must be is `SignerLied`.
"""

from shared.chain.kms.client import KmsClient
from shared.chain.kms.der import read_der
from shared.chain.kms.public_key import address_of_pem
from shared.chain.kms.signer import KmsSigner
from shared.settings.checksum import crc32c

__all__ = ["KmsClient", "KmsSigner", "address_of_pem", "crc32c", "read_der"]
