# Everything that differs from one installation to another. What protects money has no default, as in the code.

variable "project_id" {
  description = "The project in which the fleet runs."
  type        = string
}

variable "wallet_project_id" {
  description = "A project of its own for the wallet's key, so that who administers the fleet cannot use it."
  type        = string

  validation {
    condition     = var.wallet_project_id != var.project_id
    error_message = "The wallet's key lives in another project than the fleet."
  }
}

variable "region" {
  description = "Where services, queues, jobs, database and archive are."
  type        = string
}

variable "image" {
  description = "The image of all services, by digest: REGION-docker.pkg.dev/PROJECT/gcpay/gcpay@sha256:..."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: a tag may mean another image tomorrow."
  }
}

variable "operators" {
  description = "E-mail addresses of the people who look at the fleet and act on it."
  type        = list(string)
}

variable "upstream_callers" {
  description = "Service accounts of upstream: they post payments and ask for instant payouts."
  type        = list(string)
}

variable "open_intake" {
  description = "Lets anybody reach intake, for webhooks that can only sign (X-Signature). Nothing else is ever opened."
  type        = bool
  default     = false
}

variable "notification_channels" {
  description = "Cloud Monitoring channels (projects/P/notificationChannels/N) that hear of the policies in alerts.tf."
  type        = list(string)
}

variable "runbook_url" {
  description = "Where deploy/runbooks can be read by who is on call, without a slash at the end."
  type        = string
}

# The chain and the wallet.

variable "chain_id" {
  description = "1 is Ethereum mainnet."
  type        = number
}

variable "usdt_contract_address" {
  description = "The token whose arrivals are counted."
  type        = string
}

variable "price_feed_address" {
  description = "The aggregator contract for ETH/USD."
  type        = string
}

variable "host_wallet_eth_address" {
  description = "The address of the KMS key: where orders are paid from and refunds come back."
  type        = string
}

variable "host_wallet_usdt_address" {
  description = "Where the exchange sends the USDT."
  type        = string
}

# Money.

variable "tp_flat_fee" {
  description = "Percent; the platform's fee on each payment."
  type        = string
}

variable "batch_funding" {
  description = "received: order the ETH that came with the payments; quoted: order their USD at the quote."
  type        = string
}

variable "max_transfer_eth" {
  description = "ETH; the most that one transfer may carry."
  type        = string
}

variable "max_daily_eth" {
  description = "ETH; the most that may leave within 24 h."
  type        = string
}

variable "instant_max_eth" {
  description = "ETH; the most that one instant payout may carry."
  type        = string
}

variable "gas_reserve_wei" {
  description = "Wei; kept in the wallet beyond value and gas of every transfer."
  type        = string
}

variable "more_settings" {
  description = "Settings that have a default and shall be another, by service: { GCMicroBatchProcessor = { QUOTE_BAND_PERCENT = \"3\" } }. gcpay config lists them all."
  type        = map(map(string))
  default     = {}
}

# Pace.

variable "check_threshold_every_min" {
  description = "Minutes between two calls of /check-threshold; a divisor of 60."
  type        = number
  default     = 15

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30], var.check_threshold_every_min)
    error_message = "A cron line counts within the hour: choose a divisor of 60."
  }
}

# The database.

variable "database_version" {
  description = "The same major version as the tests run on."
  type        = string
  default     = "POSTGRES_18"
}

variable "database_tier" {
  description = "Size of the database instance."
  type        = string
  default     = "db-custom-2-7680"
}
