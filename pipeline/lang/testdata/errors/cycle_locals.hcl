locals {
  a = local.b + 1 # ERROR: Cycle ~ local.a -> local.b -> local.c -> local.a
  b = local.c
  c = local.a
  d = local.d     # ERROR: Refers to itself
  e = local.a * 2 # only the cycle itself is reported
}
