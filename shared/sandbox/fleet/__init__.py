"""The whole fleet with all it needs, as real processes on the loopback address: for the demo, `gcpay up` and tests.

Public: `Fleet` (start, post_payment, tick, health, stop), `FleetOptions`, `Ports`, `PortInUse`, `Identities`,
`FleetNotStarted`.
"""

from shared.sandbox.fleet.fleet import Fleet, FleetNotStarted
from shared.sandbox.fleet.identities import Identities
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.fleet.ports import PortInUse, Ports

__all__ = ["Fleet", "FleetNotStarted", "FleetOptions", "Identities", "PortInUse", "Ports"]
