preprocess "benchmark_table" "x" {
  file = "nats.csv" # ERROR: Wrong type
}
preprocess "benchmark_table" "y" {
  file = preprocess.x.rows # ERROR: Wrong type
}
