preprocess "latency_table" "devices" {
  description    = "Latencies of the 1,999 cells on 18 devices. -1 stands for cells that could not be measured: they have no latency here."
  latencies      = { for device in local.devices : device => dataset.latency[device].file }
  encoding       = dataset.encoding.file
  not_measurable = [-1]
}

preprocess "latency_table" "as_printed" {
  description = "The same with -1 as a latency, faster than all others, as in the paper's matrix."
  latencies   = { for device in local.devices : device => dataset.latency[device].file }
  encoding    = dataset.encoding.file
}

preprocess "benchmark_table" "accuracy" {
  description = "Accuracy on CIFAR-10, by which the paper's searches on NAS-Bench-201 went, and on CIFAR-100."
  file        = dataset.nats.file
  columns     = { cifar10 = "CIFAR10TestAccuracy200Epochs", cifar100 = "CIFAR100TestAccuracy200Epochs" }
  units       = { cifar10 = "%", cifar100 = "%" }
}

preprocess "benchmark_table" "hardware" {
  description = "Latencies of one device, framework and task. Those of Darcy Flow are of the standard skeleton on inputs of 1 x 88 x 88, not of the network whose error the benchmark has."
  for_each    = local.hardware
  file        = dataset.hardware.file
  filter      = each.value
  columns     = { (each.key) = "lat_ms_median" }
  units       = { (each.key) = "ms" }
}
