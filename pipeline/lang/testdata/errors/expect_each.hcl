hypothesis "rank_transfer" "h" {
  tables = []
  from   = "cifar100"
  to     = ["cifar10", "ninapro"]

  expect "misspelt_key" {
    for_each = { cifar10 = 0.9, cifar1O = 0.9, darcy = 0.1 }
    value    = self.spearman[each.key].value # ERROR: No such member ~ Did you mean "cifar10"? ~ (misspelt_key[cifar1O]) ~ 1 more expectation
    min      = each.value
    claim    = "c"
  }
  expect "list" {
    for_each = ["cifar10"] # ERROR: for_each is a list ~ tell its expectations apart
    value    = self.spearman[each.key].value
    min      = 0
    claim    = "c"
  }
  expect "null" {
    for_each = null # ERROR: for_each is null ~ no expectations at all
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "number" {
    for_each = 3 # ERROR: Wrong for_each ~ 3
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "self" {
    for_each = self.spearman # ERROR: self in for_each ~ keys are in the file
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "node" {
    for_each = hypothesis.other.spearman # ERROR: Reference to a node not allowed here ~ The for_each of an expectation
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "through_local" {
    for_each = local.other # ERROR: Reference to a node not allowed here ~ The for_each of an expectation
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "secret" {
    for_each = sensitive({ a = 1 }) # ERROR: Sensitive for_each ~ expectations' names
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "secret_value" {
    for_each = { a = sensitive(1) }
    value    = self.count
    min      = each.value # ERROR: Sensitive value ~ (secret_value[a])
    claim    = "c"
  }
  expect "key" {
    for_each = { "a\tb" = 1 } # ERROR: Wrong key ~ an expectation's name
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "many" {
    for_each = toset([for i in range(1001) : tostring(i)]) # ERROR: Too many expectations ~ makes 1001
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "printed" {
    for_each = { cifar10 = 0.98 }
    value    = self.spearman[each.key].value
    equals   = each.value # ERROR: Missing tolerance ~ (printed[cifar10])
    claim    = "c"
  }
  expect "each" {
    for_each = { (each.key) = 1 } # ERROR: each without for_each
    value    = self.count
    min      = 0
    claim    = "c"
  }
  expect "member" {
    for_each = { a = { low = 1 } }
    value    = self.count
    min      = each.value.lwo # ERROR: No such member ~ Known members: low
    claim    = "c"
  }
  expect "block" {
    value = self.count
    min   = 0
    claim = "c"
    for_each { # ERROR: Attribute written as a block
    }
  }
}
hypothesis "rank_transfer" "other" {
  tables = []
  from   = "a"
  to     = ["b"]
}
locals {
  other = hypothesis.other.spearman
}
