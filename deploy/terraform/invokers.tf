# Who may call which service: exactly the callers in services.tf, the same list that the service itself checks; operators,
# for /health; and nobody else. allUsers stands here once, for intake alone, and only if it is asked for.

locals {
  invokers = {
    for each in concat(
      flatten([
        for name, service in local.services : [
          for caller in service.callers : [
            for email in local.identities[caller] : { service = name, member = "serviceAccount:${email}" }
          ]
        ]
      ]),
      [for pair in setproduct(local.service_names, var.operators) : { service = pair[0], member = "user:${pair[1]}" }],
    ) : "${each.service} ${each.member}" => each
  }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers
  name     = google_cloud_run_v2_service.service[each.value.service].name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value.member
}

resource "google_cloud_run_v2_service_iam_member" "open_intake" {
  count    = var.open_intake ? 1 : 0
  name     = google_cloud_run_v2_service.service["GCAccumulator"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
