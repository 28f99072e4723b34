locals {
  a = "x ${1 + } y"  # ERROR: Invalid expression
  b = "x %{ if true } y" # ERROR: Unexpected end of template
  c = "x %{ endfor } y" # ERROR: Unexpected endfor directive
}
