dataset "fetch" "d" {
  url = "https://example.org"
}
preprocess "benchmark_table" "t" {
  file = dataset.d.fille # ERROR: No such member ~ Did you mean "file"?
}
command "run" "c" {
  argv   = ["sh"]
  inputs = { t = preprocess.t.table.rows } # ERROR: No such member
}
