dataste "fetch" "d" { # ERROR: Unknown block
  url = "https://example.org"
}
varaible "alpha" { # ERROR: Unknown block ~ Did you mean "variable"?
  default = 1
}
imports "tables" { # ERROR: Unknown block ~ Did you mean "import"?
  source = "./import_loop"
}
ouptut "o" { # ERROR: Unknown block ~ Did you mean "output"?
  value = 1
}
preprocess "benchmark_table" "t" {
  file = dataset.d.file # what the misspelt block would have been is no second error
}
locals {
  a = var.alpha
  b = import.tables.x
  c = dataset.e.file # ERROR: Undefined node
  d = var.alhpa      # ERROR: Undefined variable
}
