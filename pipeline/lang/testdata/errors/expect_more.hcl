dataset "fetch" "d" {
  url = "https://example.org"
  expect "file" {
    value = self.file # ERROR: Wrong type ~ a file
    min   = 1
    claim = "c"
  }
  expect "self_alone" {
    value  = self # ERROR: Wrong type
    equals = 1
    claim  = "c"
  }
  expect "text_limit" {
    value = self.size
    min   = "low" # ERROR: Wrong type ~ the string "low"
    claim = "c"
  }
  expect "null_limit" {
    value  = self.size
    equals = null # ERROR: Wrong type ~ null
    claim  = "c"
  }
  expect "list_limit" {
    value  = self.size
    equals = [1] # ERROR: Wrong type
    claim  = "c"
  }
  expect "claim" {
    value = self.size
    min   = 1
    claim = 3 # ERROR: Wrong type ~ A claim is text
  }
  expect "tolerance_of_text" {
    value     = self.size
    equals    = "x"
    tolerance = 1 # ERROR: Tolerance without a number
    claim     = "c"
  }
  expect "print" { # ERROR: Missing attribute ~ equals
    kind  = "print"
    value = self.size
    max   = 1
    claim = "c"
  }
  expect "each" {
    value = self.size
    min   = each.value # ERROR: each without for_each
    claim = "c"
  }
  expect "backwards" {
    value    = self.size
    min      = 1
    interval = [2, 1] # ERROR: Wrong interval ~ 2 is greater than 1
    claim    = "c"
  }
  expect "min_over_max" {
    value = self.size
    min   = 2 # ERROR: Contradictory limits ~ greater than
    max   = 1
    claim = "c"
  }
  expect "block" {
    value = self.size
    min   = 1
    claim = "c"
    inner { # ERROR: Unknown block
    }
  }
  expect "kind_ref" {
    kind  = var.kind # ERROR: Reference not allowed here
    value = self.size
    min   = 1
    claim = "c"
  }
}
locals {
  a = dataset.d["x"] # ERROR: Index on a block without for_each
}
command "run" "in_expect" {
  argv    = ["sh"]
  outputs = { table = "t.csv" }
  expect "no_output" {
    value = self.tabel # ERROR: No such member ~ Did you mean "table"?
    min   = 1
    claim = "c"
  }
  expect "tolerance_of_min" {
    value     = 1
    min       = 1
    tolerance = 2 # ERROR: Tolerance without equals
    claim     = "c"
  }
}
