locals {
  a = 1 + "x"                      # ERROR: Invalid operand
  b = true ? [1] : { a = 1 }       # ERROR: Inconsistent conditional result types
  c = [for x in 3 : x]             # ERROR: Iteration over non-iterable value
  d = { for x in ["a", "a"] : x => 1 } # ERROR: Duplicate object key
  e = "${[1, 2]}x"                 # ERROR: Value cannot be put into a string
  f = "${null}x"                   # ERROR: Value cannot be put into a string
  h = { a = 1 }.b                  # ERROR: No such member
  i = [1, 2][5]                    # ERROR: Invalid index
  m = 1e4000 * 1e4000              # ERROR: Number out of range
  l = 3 ? 1 : 2                    # ERROR: Incorrect condition type
}
