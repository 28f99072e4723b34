hypothesis "adaproxy" "myriad" {
  description = "Can the predictor of the Myriad VPU be adapted to 17 other devices with 70 latencies each?"
  tables      = [preprocess.devices.table, preprocess.accuracy.table]
  proxy       = "true_vpu"
  targets     = [for device in local.devices : device if device != "true_vpu"]
  accuracy    = "cifar10"
  strong      = var.strong
  seed        = var.seed
  labels      = local.labels
}

hypothesis "adaproxy" "absolute" {
  description = "The same with the sum of absolute values as penalty."
  tables      = [preprocess.devices.table, preprocess.accuracy.table]
  proxy       = "true_vpu"
  targets     = [for device in local.devices : device if device != "true_vpu"]
  accuracy    = "cifar10"
  penalty     = "l1"
  strong      = var.strong
  seed        = var.seed
  labels      = local.labels
}
