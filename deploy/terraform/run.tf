# The services on Cloud Run: one image, one command each. A revision whose settings are wrong ends with exit code 78 before
# it listens, so it never receives traffic.

resource "google_cloud_run_v2_service" "service" {
  for_each            = local.services
  name                = lower(each.key)
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  custom_audiences    = [local.urls[each.key]]
  deletion_protection = true

  template {
    service_account                  = google_service_account.account[each.value.role].email
    timeout                          = "${local.request_timeout_s}s"
    max_instance_request_concurrency = local.threads

    scaling {
      min_instance_count = each.value.instances.min
      max_instance_count = each.value.instances.max
    }

    containers {
      image   = var.image
      command = ["gunicorn"]
      args    = ["-c", "shared/http/gunicorn_conf.py", "${each.key}.app:create_app()"]

      resources {
        limits            = { cpu = "1", memory = "512Mi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      dynamic "env" {
        for_each = local.environments[each.key]
        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        period_seconds    = 2
        failure_threshold = 30
        http_get {
          path = "/live"
        }
      }

      liveness_probe {
        period_seconds    = 30
        failure_threshold = 3
        http_get {
          path = "/live"
        }
      }
    }

    # The database has no public address; everything else is reached through the internet.
    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = google_compute_network.fleet.name
        subnetwork = google_compute_subnetwork.fleet.name
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  depends_on = [
    google_project_service.api,
    google_secret_manager_secret_iam_member.reader,
    google_sql_user.service,
  ]
}

locals {
  # Longer than a task's dispatch deadline (120 s), so that the queue gives up before the service is cut off.
  request_timeout_s = 150
  # As many as gunicorn has: a request beyond them goes to another instance instead of waiting.
  threads = 8
}
