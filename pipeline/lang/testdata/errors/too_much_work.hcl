locals {
  many = range(10000)
  bomb = [for x in local.many : [for y in local.many : [for z in local.many : 1]]] # ERROR: Too much work
  t0   = "0123456789012345678901234567890123456789012345678901234567890123456789"
  t1   = join("", [for i in range(10000) : local.t0])
  t2   = "${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}${local.t1}" # ERROR: Value too large
  l0   = [for i in range(1000) : i]
  l1   = [for i in range(1000) : local.l0] # ERROR: Value too large
  l2   = [local.l1, local.l1] # the one before is too large already
}
