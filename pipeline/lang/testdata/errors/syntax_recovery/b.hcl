command "run" "misspelt" {
  argv  = ["sh", local.nothing_else]
  imput = { images = dataset.images.file } # ERROR: Unknown attribute ~ Did you mean "inputs"
}

locals {
  nothing_else = "x"
}
