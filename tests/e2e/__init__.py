"""The running fleet as its users and its attackers meet it: real processes, real HTTP, the real command line.

Support: `command` (`./gcpay` and all that it starts), `bodies` (webhooks), `doors` (every route and who may call it),
`outside` (HTTP as a stranger speaks it), `forged` (identities), `sealed` (tokens), `standing` (what the fleet holds, to
see that nothing changed), `swaps` (batches, faults, and what must be true of them), `waiting`.
"""
