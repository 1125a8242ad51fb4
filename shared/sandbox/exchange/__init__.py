"""The exchange of the sandbox: speaks ChangeNOW v2 over HTTP, watches the chain for deposits, and really pays tokens.

`python -m shared.sandbox.exchange --rpc URL --usdt ADDRESS --api-key KEY --time-scale N` runs it; it is a process and
nobody imports it. Inside:

- `api`       admission, faults; `quotes`, `ordering`, `actions` the routes; `parameters` what they were asked
- `progress`  the states of an order; `deposits` what arrives on chain; `orders` what is known; `shapes` how it is shown
- `market`    price, margin, limits, the override for the first batch; `numbers` amounts as raw JSON numbers
- `control`   `/_sim/...`; `faults` what can go wrong on command; `feed` the price feed; `partners` the API keys
"""
