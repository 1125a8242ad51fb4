# The job that brings the database to the schema of an image: run before the services get it (deploy/README.md). It is the
# only thing that logs in as the owner of the tables.

resource "google_cloud_run_v2_job" "migrate" {
  name                = "gcpay-migrate"
  location            = var.region
  deletion_protection = true

  template {
    template {
      service_account = google_service_account.account["migrator"].email
      timeout         = "900s"
      max_retries     = 0

      containers {
        image   = var.image
        command = ["python"]
        args    = ["deploy/migrate.py", "pre"]

        env {
          name  = "CLOUD_SQL_CONNECTION_NAME"
          value = local.database_connection
        }
        env {
          name  = "DATABASE_NAME_SECRET"
          value = local.database_name
        }
        env {
          name  = "DATABASE_USER_SECRET"
          value = local.database_users["migrator"]
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

  depends_on = [google_project_service.api, google_sql_user.service]
}
