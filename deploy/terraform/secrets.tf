# The secrets by name; their values are put in by hand (deploy/README.md) and are never in the state of Terraform. Each
# may be read by those services that name it in services.tf.

locals {
  readers = {
    for each in flatten([
      for service in values(local.services) : [
        for secret in service.secrets : { secret = secret, role = service.role }
      ]
    ]) : "${each.role} ${each.secret}" => each
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each            = toset([for reader in values(local.readers) : reader.secret])
  secret_id           = each.key
  deletion_protection = true

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each  = local.readers
  secret_id = google_secret_manager_secret.secret[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.emails[each.value.role]}"
}

# Who read which secret, and when, is written down.
resource "google_project_iam_audit_config" "secrets" {
  project = var.project_id
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
}
