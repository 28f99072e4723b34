command "rum" "a" { # ERROR: Unknown type ~ Did you mean "run"
  argv = local.nothing # ERROR: Undefined local value
  resources {
    cpu    = 1       # ERROR: Unknown attribute ~ Did you mean "cpus"
    memory = "16Gx"  # ERROR: Wrong amount ~ "16Gx"
    gpus   = 1.5     # ERROR: Wrong amount ~ whole number
    limits {         # ERROR: Unknown block ~ "limits"
    }
  }
  expect "good" {
    value = self.anything.at["all"]
    min   = 0.5
    claim = "self is not known, so nothing can be said about its members"
  }
  expect "odd" {
    valeu = self.x   # ERROR: Unknown attribute ~ Did you mean "value"
    value = self.x
    min   = "low"    # ERROR: Wrong type ~ min must be a number
    claim = 3        # ERROR: Wrong type ~ A claim is text
  }
  expect "missing" { # ERROR: Missing attribute ~ a limit
    value = self.x
    claim = "x"
  }
  resource {         # ERROR: Unknown block ~ Did you mean "resources"
  }
  for_each {         # ERROR: Attribute written as a block
  }
  inputs {           # ERROR: Unknown block ~ equals sign
  }
}

search "none" "b" { # ERROR: Unknown type
  for_each = toset(["x", "y"])
  resources {
    time = each.key # ERROR: Wrong amount ~ "x" ~ 1 more node
  }
}
