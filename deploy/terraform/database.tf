# One PostgreSQL without a public address. Services log in by their identities: there is no password to leak. What each of
# them may do stands in migrations/grants.sql; deploy/first_roles.sql lends them those roles once.

locals {
  database_name       = "gcpay"
  database_connection = "${var.project_id}:${var.region}:${local.database_instance}"
  database_instance   = "gcpay"

  # Cloud SQL's name for a service account as a user of PostgreSQL.
  database_users = {
    for role, email in local.emails : role => trimsuffix(email, ".gserviceaccount.com")
    if role == "migrator" || contains([for service in values(local.services) : service.role if service.database], role)
  }
}

resource "google_sql_database_instance" "fleet" {
  name                = local.database_instance
  region              = var.region
  database_version    = var.database_version
  deletion_protection = true

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.fleet.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 30
      }
    }

    # max_connections: every instance of every service with its whole pool, and all of it twice during a rollout. Who
    # comes and goes and who waits for whom is logged; statements are not, because their values are people's.
    dynamic "database_flags" {
      for_each = {
        "cloudsql.iam_authentication" = "on"
        max_connections               = "400"
        log_connections               = "on"
        log_disconnections            = "on"
        log_lock_waits                = "on"
      }
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_service_networking_connection.private]
}

resource "google_sql_database" "fleet" {
  name     = local.database_name
  instance = google_sql_database_instance.fleet.name
}

resource "google_sql_user" "service" {
  for_each = local.database_users
  name     = each.value
  instance = google_sql_database_instance.fleet.name
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
}

resource "google_sql_user" "operator" {
  for_each = toset(var.operators)
  name     = each.key
  instance = google_sql_database_instance.fleet.name
  type     = "CLOUD_IAM_USER"
}

resource "google_project_iam_member" "database_client" {
  for_each = local.database_users
  project  = var.project_id
  role     = "roles/cloudsql.client"
  member   = "serviceAccount:${local.emails[each.key]}"
}

resource "google_project_iam_member" "database_user" {
  for_each = local.database_users
  project  = var.project_id
  role     = "roles/cloudsql.instanceUser"
  member   = "serviceAccount:${local.emails[each.key]}"
}

resource "google_project_iam_member" "operator" {
  for_each = {
    for pair in setproduct(var.operators, ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]) :
    "${pair[0]} ${pair[1]}" => { email = pair[0], role = pair[1] }
  }
  project = var.project_id
  role    = each.value.role
  member  = "user:${each.value.email}"
}
