locals {
  a = join(",", 3)                 # ERROR: Wrong argument of a function
  b = upper()                      # ERROR: Missing argument of a function
  c = upper("a", "b")              # ERROR: Too many arguments of a function ~ takes 1 argument
  d = regex("(", "x")              # ERROR: Wrong argument of a function
  e = jsondecode("{")              # ERROR: Function failed
  f = range(100000000)             # ERROR: Function failed
  g = format("%1000000000d", 1)    # ERROR: Wrong argument of a function
  h = setproduct(range(10000), range(10000)) # ERROR: Function failed
  i = indent(1000000, "x")         # ERROR: Wrong argument of a function
  j = base64decode("???")          # ERROR: Function failed
  k = length(3)                    # ERROR: Wrong argument of a function
  l = range(1, 10, -1)             # ERROR: Function failed
}
