terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # Where the state is kept is the operator's: terraform init -backend-config="bucket=..."
  backend "gcs" {
    prefix = "gcpay"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
