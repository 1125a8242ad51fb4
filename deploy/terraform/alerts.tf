# Whom Cloud Monitoring calls. The fleet brings its own alerts to the webhook; these policies see what the fleet cannot say
# of itself, and repeat by a second way what must not be missed. `runbook`: the page in deploy/runbooks.

locals {
  # Every kind of alert that the fleet raises and that asks something of a person; each has a page of its name.
  alert_kinds = [
    "payment_parked", "payment_conflicted", "payments_overdue", "batch_held_back", "batch_parked", "batch_overdue",
    "result_outside_band", "distribution_forbidden", "order_abandoned", "order_overdue", "request_parked",
    "request_overdue", "request_stuck", "deposit_is_not_ours", "transfer_held", "transfer_overdue",
    "transfer_reverted", "transfer_cancelled", "transfer_foreign", "attempt_at_ceiling", "order_lapsed_before_send",
    "pay_order_contradicts", "approval_refused", "account_low_on_funds", "books_differ", "account_frozen",
    "recovery_incomplete", "providers_disagreed", "message_refused", "scheduler_silent",
  ]

  # A line of this name in the log calls a person as well: what went wrong could not be made an alert.
  told_by_the_log = {
    alert_not_delivered     = { runbook = "alerts" }
    alerts_go_nowhere       = { runbook = "alerts" }
    call_failed             = { runbook = "broken" }
    invariant_broken        = { runbook = "broken" }
    message_not_stored      = { runbook = "message_refused" }
    scheduler_not_looked_at = { runbook = "scheduler_silent" }
    task_unmakeable         = { runbook = "broken" }
  }

  # A number that is missing, or too high, for a while.
  silent = {
    sweeps_stopped           = { runbook = "scheduler_silent", metric = "sweeps_done", for_s = 300 }
    threshold_checks_stopped = { runbook = "scheduler_silent", metric = "thresholds_checked", for_s = 3 * 60 * var.check_threshold_every_min }
  }
  too_high = {
    service_fails = {
      runbook = "broken"
      filter  = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"5xx\""
      aligner = "ALIGN_RATE"
      above   = 0.1
      for_s   = 600
    }
    queue_is_deep = {
      runbook = "request_overdue"
      filter  = "resource.type=\"cloud_tasks_queue\" AND metric.type=\"cloudtasks.googleapis.com/queue/depth\""
      aligner = "ALIGN_MAX"
      above   = 500
      for_s   = 900
    }
    database_is_full = {
      runbook = "try-later"
      filter  = "resource.type=\"cloudsql_database\" AND metric.type=\"cloudsql.googleapis.com/database/disk/utilization\""
      aligner = "ALIGN_MAX"
      above   = 0.9
      for_s   = 600
    }
  }
}

resource "google_monitoring_alert_policy" "raised" {
  for_each              = toset(local.alert_kinds)
  display_name          = "gcpay: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.key
    condition_matched_log {
      filter = "${local.of_the_fleet} AND jsonPayload.message=\"alert_raised\" AND jsonPayload.kind=\"${each.key}\""
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "300s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${var.runbook_url}/${each.key}.md"
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "told_by_the_log" {
  for_each              = local.told_by_the_log
  display_name          = "gcpay: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.key
    condition_matched_log {
      filter = "${local.of_the_fleet} AND jsonPayload.message=\"${each.key}\""
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "300s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${var.runbook_url}/${each.value.runbook}.md"
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "silent" {
  for_each              = local.silent
  display_name          = "gcpay: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.key
    condition_absent {
      filter   = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.counted[each.value.metric].name}\""
      duration = "${each.value.for_s}s"
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${var.runbook_url}/${each.value.runbook}.md"
  }
}

resource "google_monitoring_alert_policy" "too_high" {
  for_each              = local.too_high
  display_name          = "gcpay: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.key
    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "${each.value.for_s}s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = each.value.aligner
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${var.runbook_url}/${each.value.runbook}.md"
  }

  depends_on = [google_project_service.api]
}
