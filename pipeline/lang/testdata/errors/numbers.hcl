locals {
  a = pow(10, 100000)            # ERROR: Function failed ~ too large
  b = pow(-1, 0.5)               # ERROR: Function failed ~ not a number
  c = 1 / 0                      # ERROR: Number out of range ~ division by zero
  d = 5 % 0                      # ERROR: Number out of range ~ division by zero
  e = log(-1, 10)                # ERROR: Function failed ~ not negative
  f = parseint("zz", 10)         # ERROR: Wrong argument of a function ~ "zz"
  g = tonumber("1e99999999")     # ERROR: Function failed ~ too large
  h = -true                      # ERROR: Invalid operand
  i = !3                         # ERROR: Invalid operand
  j = [1, 2] + 1                 # ERROR: Invalid operand
  k = "${1e4000}${1e5000}"       # ERROR: Number out of range
  l = "x" > 1                    # ERROR: Invalid operand
  m = 0 / 0                      # ERROR: Number out of range ~ division by zero
  n = pow(0, -1)                 # ERROR: Function failed ~ division by zero
  o = log(0, 10)                 # ERROR: Number out of range ~ local.o ~ -Inf ~ log(x, 10)
  s = tonumber("-Inf")           # ERROR: Number out of range ~ local.s
  t = { a = [1, jsondecode("[1e999999999]")[0]] } # ERROR: Number out of range ~ Inf
  u = max(log(0, 2), 1)
  v = toset([log(0, 2), 1])      # ERROR: Number out of range
  w = [for x in [1, 0] : 1 / x]  # ERROR: Number out of range ~ x != 0 ? y / x
  p = max()                      # ERROR: Function failed
  r = ceil("x")                  # ERROR: Wrong argument of a function
}
