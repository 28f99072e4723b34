hypothesis "latency_monotonicity" "devices" {
  description = "Do 18 devices agree on which cells are fast, and is a proxy's Pareto set good on the others?"
  tables      = [preprocess.devices.table, preprocess.accuracy.table]
  devices     = local.devices
  accuracy    = "cifar10"
  proxy       = "rice_pixel3"
  shown       = ["rice_raspi4", "rice_fpga", "rice_eyeriss", "rice_edgegpu"]
  strong      = var.strong
  resamples   = var.resamples
  seed        = var.seed
  labels      = local.labels
}

hypothesis "latency_monotonicity" "hardware" {
  description     = "Do frameworks, tasks and two devices of HW-NAS-Bench-360 agree, over the 6,466 cells that were measured?"
  tables          = [for name in keys(local.hardware) : preprocess.hardware[name].table]
  devices         = keys(local.hardware)
  representatives = true
  strong          = var.strong
  resamples       = var.resamples
  seed            = var.seed
  labels          = local.hardware_labels
}
