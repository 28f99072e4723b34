dataset "fetch" "d" {
  url = "https://example.org"
}
preprocess "benchmark_table" "x" {
  file = dataset.d.file
}
preprocess "benchmark_table" "y" {
  file = dataset.d.file
  join = { table = preprocess.x.table, onn = "id" } # ERROR: Wrong type
}
preprocess "benchmark_table" "z" {
  file = dataset.d.file
  join = { on = "id" } # ERROR: Wrong type
}
