preprocess "benchmark_table" "nats" {
  file = dataset.nats.file # ERROR: Undefined node
}
