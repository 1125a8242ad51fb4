# Copies of all signed bytes, outside the database: after a restore they say which nonces are used. They are written once;
# for a year nobody can change or delete one, and the executor never can.

locals {
  archive_bucket = "${var.project_id}-gcpay-archive"
}

resource "google_storage_bucket" "archive" {
  name                        = local.archive_bucket
  location                    = var.region
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  retention_policy {
    retention_period = 365 * 24 * 3600
  }

  # What is deleted after that year can be had back for a while.
  soft_delete_policy {
    retention_duration_seconds = 90 * 24 * 3600
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "writer" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])
  bucket   = google_storage_bucket.archive.name
  role     = each.key
  member   = "serviceAccount:${local.emails["executor"]}"
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = toset(var.operators)
  bucket   = google_storage_bucket.archive.name
  role     = "roles/storage.objectViewer"
  member   = "user:${each.key}"
}
