# Numbers read from the services' log lines, by the names of shared/telemetry/events.py.

locals {
  of_the_fleet = "resource.type=\"cloud_run_revision\" AND labels.service=~\"^GC\""

  # Amounts of money: how much each of these lines tells.
  money = {
    pending_usd_micros = { event = "threshold_checked", field = "pending_micros", unit = "1" }
    shared_usdt_units  = { event = "shares_distributed", field = "arrived_units", unit = "1" }
    gas_wei            = { event = "gas_booked", field = "gas_wei", unit = "1" }
  }

  # How often something happened.
  counted = {
    payments_recorded  = "payment_recorded"
    batches_formed     = "batch_claimed"
    batches_completed  = "batch_completed"
    transfers_sent     = "attempt_sent"
    transfers_settled  = "transfer_settled"
    sweeps_done        = "sweep_done"
    thresholds_checked = "threshold_checked"
  }
}

resource "google_logging_metric" "money" {
  for_each        = local.money
  name            = "gcpay/${each.key}"
  filter          = "${local.of_the_fleet} AND jsonPayload.message=\"${each.value.event}\""
  value_extractor = "EXTRACT(jsonPayload.${each.value.field})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = each.value.unit
  }
}

resource "google_logging_metric" "counted" {
  for_each = local.counted
  name     = "gcpay/${each.key}"
  filter   = "${local.of_the_fleet} AND jsonPayload.message=\"${each.value}\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}
