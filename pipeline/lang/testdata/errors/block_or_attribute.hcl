alpha = 0.05 # ERROR: Attribute outside a block
command "run" "a" {
  argv = ["sh"]
  outputs { # ERROR: Attribute written as a block
    out = "x"
  }
  resources = { cpus = 1 } # ERROR: Block written as an attribute
  limits { # ERROR: Unknown block
  }
}
locals {
  inner { # ERROR: Unknown block
  }
}
