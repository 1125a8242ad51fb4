# The way from the services to the database's private address.

resource "google_compute_network" "fleet" {
  name                    = "gcpay"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
}

resource "google_compute_subnetwork" "fleet" {
  name                     = "gcpay"
  region                   = var.region
  network                  = google_compute_network.fleet.id
  ip_cidr_range            = "10.8.0.0/24"
  private_ip_google_access = true
}

resource "google_compute_global_address" "private" {
  name          = "gcpay-database"
  network       = google_compute_network.fleet.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "private" {
  network                 = google_compute_network.fleet.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.private.name]
}
