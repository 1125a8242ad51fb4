# The fleet, one row per service: who may call it, what it is told, which secrets it may read, how much of it there is.
# Everything else in this folder is made from these rows; tests/deploy holds them against the code.

locals {
  services = {
    GCAccumulator = {
      role      = "intake"
      callers   = ["upstream"]
      instances = { min = 1, max = 8 }
      database  = true
      sends_to  = []
      secrets   = concat(local.logging_in, ["UPSTREAM_SIGNING_KEY"])
      env = merge(local.wallet, {
        TP_FLAT_FEE = var.tp_flat_fee
      })
    }
    GCMicroBatchProcessor = {
      role      = "batcher"
      callers   = ["scheduler", "conductor", "batcher"]
      instances = { min = 0, max = 2 }
      database  = true
      sends_to  = ["gchostpay1-batch-queue", "microbatch-alert-queue"]
      secrets = concat(local.logging_in, local.sealing, local.exchanging, [
        "ETHEREUM_RPC_URLS", "ALERT_WEBHOOK_URL", "MICRO_BATCH_THRESHOLD_USD",
      ])
      env = merge(local.tasks, local.chain, local.wallet, {
        GCHOSTPAY1_URL          = local.urls.GCHostPay1
        BATCH_FUNDING           = var.batch_funding
        MAX_TRANSFER_ETH        = var.max_transfer_eth
        CHECK_THRESHOLD_EVERY_S = tostring(60 * var.check_threshold_every_min)
      })
    }
    GCHostPay1 = {
      role      = "conductor"
      callers   = ["upstream", "batcher", "watcher", "executor", "conductor", "scheduler"]
      instances = { min = 0, max = 2 }
      database  = true
      sends_to = [
        "gchostpay2-status-check-queue", "gchostpay3-payment-exec-queue", "gchostpay1-response-queue",
        "microbatch-response-queue",
      ]
      secrets = concat(local.logging_in, local.sealing, local.exchanging, ["ETHEREUM_RPC_URLS", "TPS_HOSTPAY_SIGNING_KEY"])
      env = merge(local.tasks, local.chain, local.wallet, {
        GCHOSTPAY1_URL   = local.urls.GCHostPay1
        GCHOSTPAY2_URL   = local.urls.GCHostPay2
        GCHOSTPAY3_URL   = local.urls.GCHostPay3
        MICROBATCH_URL   = local.urls.GCMicroBatchProcessor
        INSTANT_MAX_ETH  = var.instant_max_eth
        MAX_TRANSFER_ETH = var.max_transfer_eth
      })
    }
    GCHostPay2 = {
      role      = "watcher"
      callers   = ["conductor"]
      instances = { min = 0, max = 2 }
      database  = false
      sends_to  = ["gchostpay1-response-queue"]
      secrets   = concat(local.sealing, local.exchanging)
      env = merge(local.tasks, {
        GCHOSTPAY1_URL = local.urls.GCHostPay1
      })
    }
    GCHostPay3 = {
      role    = "executor"
      callers = ["conductor", "executor", "scheduler"]
      # One wallet is driven by one process at a time: a second one would only wait for its lease. During a rollout there
      # are two for a moment, which the locked rows allow for.
      instances = { min = 0, max = 1 }
      database  = true
      sends_to  = ["gchostpay1-response-queue", "gchostpay3-retry-queue"]
      secrets   = concat(local.logging_in, local.sealing, ["ETHEREUM_RPC_URLS", "HOST_WALLET_PRIVATE_KEY"])
      env = merge(local.tasks, local.chain, local.wallet, {
        GCHOSTPAY1_URL              = local.urls.GCHostPay1
        GCHOSTPAY3_URL              = local.urls.GCHostPay3
        HOST_WALLET_KMS_KEY_VERSION = local.wallet_key_version
        MAX_TRANSFER_ETH            = var.max_transfer_eth
        MAX_DAILY_ETH               = var.max_daily_eth
        GAS_RESERVE_WEI             = var.gas_reserve_wei
        SIGNED_BYTES_ARCHIVE        = "gs://${local.archive_bucket}/signed-bytes"
      })
    }
  }

  # The version before the latest of a rotated secret is its _PREVIOUS: it opens and never seals.
  sealing    = ["SUCCESS_URL_SIGNING_KEY"]
  exchanging = ["CHANGENOW_API_KEY"]
  logging_in = ["DATABASE_PASSWORD_SECRET"]

  # Secrets that never get a version: a service asks for every secret that it knows, and learns that there is none.
  kept_empty = {
    HOST_WALLET_PRIVATE_KEY  = "the wallet's key is in Cloud KMS"
    DATABASE_PASSWORD_SECRET = "the database knows the services by their identities"
  }

  tasks = {
    CLOUD_TASKS_PROJECT_ID = var.project_id
    CLOUD_TASKS_LOCATION   = var.region
  }
  chain = {
    CHAIN_ID           = tostring(var.chain_id)
    PRICE_FEED_ADDRESS = var.price_feed_address
  }
  wallet = {
    HOST_WALLET_ETH_ADDRESS  = var.host_wallet_eth_address
    HOST_WALLET_USDT_ADDRESS = var.host_wallet_usdt_address
    USDT_CONTRACT_ADDRESS    = var.usdt_contract_address
  }

  # The whole environment of each service.
  environments = {
    for name, service in local.services : name => merge(
      {
        SERVICE_URL         = local.urls[name]
        SERVICE_IDENTITY    = local.emails[service.role]
        IDENTITY_CHECKED_BY = service.role == "intake" && var.open_intake ? "service" : "cloud_run"
        SECRETS_PROJECT_ID  = var.project_id
      },
      {
        for caller in service.callers : "${upper(caller)}_CALLERS" => join(",", local.identities[caller])
        if !(caller == "batcher" && service.role == "batcher") # it knows itself by SERVICE_IDENTITY
      },
      service.database ? {
        CLOUD_SQL_CONNECTION_NAME = local.database_connection
        DATABASE_NAME_SECRET      = local.database_name
        DATABASE_USER_SECRET      = local.database_users[service.role]
      } : {},
      service.env,
      lookup(var.more_settings, name, {}),
    )
  }

  # Cloud Run's own form of a service's address; known before the service exists, so that services can name each other.
  urls = {
    for name in local.service_names :
    name => "https://${lower(name)}-${data.google_project.fleet.number}.${var.region}.run.app"
  }
  service_names = ["GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"]
}

data "google_project" "fleet" {
  project_id = var.project_id
}
