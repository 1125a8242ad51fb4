# Copy to a file outside the repository and fill in. The values here are examples; the tests use them.
project_id        = "example-fleet"
wallet_project_id = "example-wallet"
region            = "europe-west1"
image             = "europe-west1-docker.pkg.dev/example-fleet/gcpay/gcpay@sha256:0000000000000000000000000000000000000000000000000000000000000000"

operators             = ["on-call@example.com"]
upstream_callers      = ["webhooks@example-upstream.iam.gserviceaccount.com"]
notification_channels = ["projects/example-fleet/notificationChannels/1"]
runbook_url           = "https://example.com/gcpay/deploy/runbooks"

# A test network; on mainnet chain_id is 1 and the contracts are others.
chain_id                 = 11155111
usdt_contract_address    = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
price_feed_address       = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
host_wallet_eth_address  = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
host_wallet_usdt_address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

tp_flat_fee      = "15"
batch_funding    = "received"
max_transfer_eth = "0.5"
max_daily_eth    = "2"
instant_max_eth  = "0.1"
gas_reserve_wei  = "20000000000000000"
