locals {
  m = { cifar10 = 1, cifar100 = 2 }
  n = { for k, v in local.m : k => v }
  a = local.m.cifar1O     # ERROR: No such member ~ Did you mean "cifar10"? ~ Known members: cifar10, cifar100
  b = local.n["cifar_10"] # ERROR: No such member ~ Did you mean "cifar10"?
  c = tomap(local.m)["cifer10"] # ERROR: No such member ~ Did you mean "cifar10"?
  d = local.m[null]       # ERROR: Invalid index
  e = null.x              # ERROR: Member of null
  f = local.m.cifar10.acc # ERROR: No such member ~ number
  g = lookup(local.m, "x") # ERROR: Missing argument of a function
  h = [1, 2]["a"]         # ERROR: No such member ~ "a" ~ [0]
  i = { (null) = 1 }      # ERROR: Null value as key
  j = { for x in [1] : null => x } # ERROR: Invalid object key
  k = [for x in null : x] # ERROR: Iteration over null value
  l = local               # ERROR: Incomplete reference ~ local.tasks
  o = var["x"]            # ERROR: Incomplete reference
  p = each.key            # ERROR: each without for_each
  q = count.index         # ERROR: Unknown reference ~ "count"
  r = datasets.x.file     # ERROR: Unknown reference ~ Did you mean "dataset"?
}
