"""The running fleet as its users and its attackers meet it: real processes, real HTTP, the real command line.

Support: `outside` (HTTP as a stranger speaks it), `forged` (identities), `sealed` (tokens), `standing` (what the fleet
holds, to see that nothing changed), `playing` (payments, batches, faults), `command` (`./gcpay` as a subprocess),
`waiting`.
"""
