# The wallet's key. It is made in the HSM and cannot leave it; the executor may have digests signed, and nobody else may.
# It stands in a project of its own, so that being an owner of the fleet's project gives no way to it.

locals {
  wallet_key_version = "projects/${var.wallet_project_id}/locations/${var.region}/keyRings/gcpay/cryptoKeys/host-wallet/cryptoKeyVersions/1"
}

resource "google_kms_key_ring" "wallet" {
  project    = var.wallet_project_id
  name       = "gcpay"
  location   = var.region
  depends_on = [google_project_service.wallet_api]
}

resource "google_kms_crypto_key" "wallet" {
  name                       = "host-wallet"
  key_ring                   = google_kms_key_ring.wallet.id
  purpose                    = "ASYMMETRIC_SIGN"
  destroy_scheduled_duration = "2592000s"

  version_template {
    algorithm        = "EC_SIGN_SECP256K1_SHA256"
    protection_level = "HSM"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "signer" {
  crypto_key_id = google_kms_crypto_key.wallet.id
  role          = "roles/cloudkms.signerVerifier"
  member        = "serviceAccount:${local.emails["executor"]}"
}

# Every use of the key is written down where the fleet's administrators cannot change it.
resource "google_project_iam_audit_config" "wallet" {
  project = var.wallet_project_id
  service = "cloudkms.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
