# The queues, with the predecessor's names. A task is repeated for a day, which is less than its token lives: what comes
# late is still opened. What is lost all the same is found by the sweeps. Cloud Tasks wants a queue and the identity of its
# tasks in one project: an upstream of another project keeps the first of these queues there, as long a window included.

locals {
  queues = {
    gcsplit-hostpay-trigger-queue = { per_second = 5, concurrent = 10 }
    gchostpay1-batch-queue        = { per_second = 5, concurrent = 10 }
    gchostpay1-response-queue     = { per_second = 5, concurrent = 10 }
    gchostpay2-status-check-queue = { per_second = 5, concurrent = 10 }
    gchostpay3-payment-exec-queue = { per_second = 5, concurrent = 8 }
    gchostpay3-retry-queue        = { per_second = 5, concurrent = 4 }
    microbatch-response-queue     = { per_second = 5, concurrent = 10 }
    microbatch-alert-queue        = { per_second = 1, concurrent = 2 }
  }
  retry_window_s = 24 * 3600

  # Who may put tasks where: the services by their rows, upstream into its own queue.
  enqueuers = {
    for each in concat(
      flatten([
        for service in values(local.services) : [
          for queue in service.sends_to : { queue = queue, email = local.emails[service.role] }
        ]
      ]),
      [for email in var.upstream_callers : { queue = "gcsplit-hostpay-trigger-queue", email = email }],
    ) : "${each.email} ${each.queue}" => each
  }
}

resource "google_cloud_tasks_queue" "queue" {
  for_each = local.queues
  name     = each.key
  location = var.region

  rate_limits {
    max_dispatches_per_second = each.value.per_second
    max_concurrent_dispatches = each.value.concurrent
  }

  retry_config {
    max_attempts       = -1
    max_retry_duration = "${local.retry_window_s}s"
    min_backoff        = "5s"
    max_backoff        = "60s"
    max_doublings      = 4
  }

  depends_on = [google_project_service.api]
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = local.enqueuers
  name     = google_cloud_tasks_queue.queue[each.value.queue].name
  location = var.region
  role     = "roles/cloudtasks.enqueuer"
  member   = "serviceAccount:${each.value.email}"
}

# A service's own check looks whether its queues run.
resource "google_cloud_tasks_queue_iam_member" "viewer" {
  for_each = { for key, each in local.enqueuers : key => each if !contains(var.upstream_callers, each.email) }
  name     = google_cloud_tasks_queue.queue[each.value.queue].name
  location = var.region
  role     = "roles/cloudtasks.viewer"
  member   = "serviceAccount:${each.value.email}"
}
