output "urls" {
  description = "Where each service answers; deploy/check_deploy.py reads them."
  value       = local.urls
}

output "project_id" {
  value = var.project_id
}

output "wallet_key_version" {
  description = "gcpay config and the executor call it HOST_WALLET_KMS_KEY_VERSION."
  value       = local.wallet_key_version
}
