# One service account per service, one for the scheduler, one for migrations: what breaks into one has only what that
# one may do.

locals {
  accounts = {
    intake    = "Records payments"
    batcher   = "Forms batches and shares out what arrived"
    conductor = "Drives one order from payment to arrival"
    watcher   = "Reads an order just before it is paid"
    executor  = "Pays"
    scheduler = "Calls the services on time"
    migrator  = "Changes the schema before a deploy"
  }
  emails = { for role, _ in local.accounts : role => "gcpay-${role}@${var.project_id}.iam.gserviceaccount.com" }

  # Who is meant by a word in the `callers` of a service.
  identities = merge(
    { for role, email in local.emails : role => [email] },
    { upstream = var.upstream_callers },
  )
}

resource "google_service_account" "account" {
  for_each     = local.accounts
  account_id   = "gcpay-${each.key}"
  display_name = each.value
}

# A task carries the identity of who made it: Cloud Tasks asks whether its maker may act as that account, which is his own.
resource "google_service_account_iam_member" "tasks_as_itself" {
  for_each           = { for name, service in local.services : service.role => name if length(service.sends_to) > 0 }
  service_account_id = google_service_account.account[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${local.emails[each.key]}"
}
