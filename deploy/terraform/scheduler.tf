# What the scheduler calls. A missed run is harmless and the next one comes soon, so no run is repeated.

locals {
  jobs = {
    micro-batch-conversion-job = {
      schedule = "*/${var.check_threshold_every_min} * * * *"
      service  = "GCMicroBatchProcessor"
      route    = "/check-threshold"
    }
    batcher-sweep   = { schedule = "* * * * *", service = "GCMicroBatchProcessor", route = "/sweep" }
    conductor-sweep = { schedule = "* * * * *", service = "GCHostPay1", route = "/sweep" }
    executor-sweep  = { schedule = "* * * * *", service = "GCHostPay3", route = "/sweep" }
  }
}

resource "google_cloud_scheduler_job" "job" {
  for_each         = local.jobs
  name             = each.key
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.request_timeout_s}s"

  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = "${local.urls[each.value.service]}${each.value.route}"

    oidc_token {
      service_account_email = google_service_account.account["scheduler"].email
      audience              = local.urls[each.value.service]
    }
  }

  depends_on = [google_project_service.api]
}
