# One page: the money first, then how the fleet does.

locals {
  money_charts = [
    { title = "Pending (USD micros, at each check)", metric = "pending_usd_micros", aligner = "ALIGN_PERCENTILE_99" },
    { title = "USDT shared out (units)", metric = "shared_usdt_units", aligner = "ALIGN_SUM" },
    { title = "Gas paid (wei)", metric = "gas_wei", aligner = "ALIGN_SUM" },
  ]
  pace_charts = [
    { title = "Payments recorded", metric = "payments_recorded", aligner = "ALIGN_DELTA" },
    { title = "Batches formed", metric = "batches_formed", aligner = "ALIGN_DELTA" },
    { title = "Batches completed", metric = "batches_completed", aligner = "ALIGN_DELTA" },
    { title = "Transfers sent", metric = "transfers_sent", aligner = "ALIGN_DELTA" },
    { title = "Transfers settled", metric = "transfers_settled", aligner = "ALIGN_DELTA" },
    { title = "Sweeps", metric = "sweeps_done", aligner = "ALIGN_DELTA" },
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
                  aggregation = { alignmentPeriod = "300s", perSeriesAligner = chart.aligner, crossSeriesReducer = "REDUCE_SUM" }
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
