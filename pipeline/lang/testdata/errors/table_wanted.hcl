dataset "fetch" "d" {
  url = "https://example.org"
}
preprocess "benchmark_table" "x" {
  file = dataset.d.file
  join = { table = dataset.d.file } # ERROR: Wrong type
}
