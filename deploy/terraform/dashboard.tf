# One page: the money first, then how the fleet does.

locals {
  # A distribution's mean is what a person reads: the total at a check, the USDT of a batch, the gas of a transfer.
  money_charts = [
    { title = "Pending at a check (USD micros)", metric = "pending_usd_micros", reducer = "REDUCE_MEAN" },
    { title = "USDT shared out by a batch (units)", metric = "shared_usdt_units", reducer = "REDUCE_MEAN" },
    { title = "Gas of a transfer (wei)", metric = "gas_wei", reducer = "REDUCE_MEAN" },
  ]
  pace_charts = [
    { title = "Payments recorded", metric = "payments_recorded", reducer = "REDUCE_SUM" },
    { title = "Batches formed", metric = "batches_formed", reducer = "REDUCE_SUM" },
    { title = "Batches completed", metric = "batches_completed", reducer = "REDUCE_SUM" },
    { title = "Transfers sent", metric = "transfers_sent", reducer = "REDUCE_SUM" },
    { title = "Transfers settled", metric = "transfers_settled", reducer = "REDUCE_SUM" },
    { title = "Sweeps", metric = "sweeps_done", reducer = "REDUCE_SUM" },
  ]
}

resource "google_monitoring_dashboard" "fleet" {
  dashboard_json = jsonencode({
    displayName = "gcpay: money in motion"
    gridLayout = {
      columns = "3"
      widgets = [
        for chart in concat(local.money_charts, local.pace_charts) : {
          title = chart.title
          xyChart = {
            dataSets = [{
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter      = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/gcpay/${chart.metric}\""
                  aggregation = { alignmentPeriod = "300s", perSeriesAligner = "ALIGN_DELTA", crossSeriesReducer = chart.reducer }
                }
              }
            }]
          }
        }
      ]
    }
  })

  depends_on = [google_logging_metric.money, google_logging_metric.counted]
}
