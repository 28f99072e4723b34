dataset "fetch" "d" {
  url = "https://example.org"
}
preprocess "benchmark_table" "t" {
  for_each = toset(["a"])
  file     = dataset.d.file
}
command "run" "a" {
  argv = ["cat", "${dataset.d.file}/x"] # ERROR: A file cannot be put into a string
}
command "run" "b" {
  argv = ["cat", dataset.d.file] # ERROR: A file cannot be put into a string
}
command "run" "c" {
  argv = ["cat", join(" ", [for t in preprocess.t : "x ${t.table}"])] # ERROR: A file cannot be put into a string
}
command "run" "d" {
  argv = ["cat", format("%s", dataset.d.file)] # ERROR: A file cannot be put into a string
}
command "run" "e" {
  argv = ["cat", tostring(dataset.d.file)] # ERROR: A file cannot be put into a string
}
command "run" "f" {
  argv = ["cat", jsonencode({ a = dataset.d.file })] # ERROR: A file cannot be put into a string
}
