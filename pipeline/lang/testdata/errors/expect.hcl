hypothesis "rank_transfer" "h" {
  tables = []
  from   = "cifar100"
  to     = ["cifar10", "ninapro"]

  expect "misspelt_task" {
    value = self.spearman["cifar1O"].value # ERROR: No such member ~ Did you mean "cifar10"? ~ Known members: cifar10, ninapro
    min   = 0.9
    claim = "c"
  }
  expect "misspelt_output" {
    value = self.spearmann["cifar10"].value # ERROR: No such member ~ Did you mean "spearman"?
    min   = 0.9
    claim = "c"
  }
  expect "no_value" { # ERROR: Missing attribute
    min   = 1
    claim = "c"
  }
  expect "no_claim" { # ERROR: Missing attribute
    value = self.count
    min   = 1
  }
  expect "no_limit" { # ERROR: Missing attribute
    value = self.count
    claim = "c"
  }
  expect "both" { # ERROR: Contradictory limits
    value  = self.count
    equals = 1
    max    = 2
    claim  = "c"
  }
  expect "computed" {
    value  = self.count
    equals = 1 + 1 # ERROR: Missing tolerance
    claim  = "c"
  }
  expect "kind" {
    kind  = "printed" # ERROR: Unknown kind of expectation
    value = self.count
    min   = 1
    claim = "c"
  }
  expect "print_without_equals" { # ERROR: Missing attribute
    kind  = "print"
    value = self.count
    min   = 1
    claim = "c"
  }
  expect "other_node" {
    value = self.count
    min   = hypothesis.other.count # ERROR: Another node in an expect block
    claim = "c"
  }
  expect "through_local" {
    value = self.count
    min   = local.other # ERROR: Another node in an expect block
    claim = "c"
  }
  expect "types" {
    value  = self.label # ERROR: Wrong type
    equals = true
    claim  = "c"
  }
  expect "not_a_number" {
    value = self.label # ERROR: Wrong type
    min   = 1
    claim = "c"
  }
  expect "negative" {
    value     = self.count
    equals    = 1
    tolerance = -1 # ERROR: Wrong tolerance
    claim     = "c"
  }
  expect "interval" {
    value    = self.count
    min      = 1
    interval = [1, 2, 3] # ERROR: Wrong interval
    claim    = "c"
  }
  expect "unknown" {
    value     = self.count
    min       = 1
    tolerence = 2 # ERROR: Unknown attribute ~ Did you mean "tolerance"?
    claim     = "c"
  }
  expect "unknown" { # ERROR: Defined twice
    value = self.count
    min   = 1
    claim = "c"
  }
}
hypothesis "rank_transfer" "other" {
  tables = []
  from   = "a"
  to     = ["b"]
}
locals {
  other = hypothesis.other.count
}
