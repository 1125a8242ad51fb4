# One job per service that looks, as this service and with its settings, at everything that it depends on: the database and
# its grants, the queues, the chain, the exchange. Run before the services get an image (deploy/README.md).

resource "google_cloud_run_v2_job" "check" {
  for_each            = local.services
  name                = "gcpay-check-${each.value.role}"
  location            = var.region
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.account[each.value.role].email
      timeout         = "300s"
      max_retries     = 0

      containers {
        image   = var.image
        command = ["python"]
        args    = ["-m", "shared.ops.cli", "config", "check", "--service", each.key]

        dynamic "env" {
          for_each = local.environments[each.key]
          content {
            name  = env.key
            value = env.value
          }
        }
      }

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = google_compute_network.fleet.name
          subnetwork = google_compute_subnetwork.fleet.name
        }
      }
    }
  }

  depends_on = [
    google_project_service.api,
    google_secret_manager_secret_iam_member.reader,
    google_sql_user.service,
  ]
}
