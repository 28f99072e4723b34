locals {
  a = join(",", 3)             # ERROR: Wrong argument of a function ~ The 2nd argument of join(), lists, takes a list of strings: this is the number 3 ~ in brackets ~ join(separator, lists, ...)
  b = ceil("x")                # ERROR: Wrong argument of a function ~ The 1st argument of ceil(), num, takes a number: this is the string "x" ~ ceil(num)
  c = parseint("zz", 10)       # ERROR: Wrong argument of a function ~ The 1st argument of parseint(), number, is the string "zz": cannot parse ~ parseint(number, base)
  d = upper(null)              # ERROR: Wrong argument of a function ~ is null ~ coalesce
  e = range(1, 10, -1)         # ERROR: Function failed ~ a step of -1 ~ The arguments: 1, 10, -1. ~ range(start, end, step)
  f = merge(3...)              # ERROR: Wrong argument of a function ~ three dots ~ the number 3
  g = max([1, "b"]...)         # ERROR: Wrong argument of a function ~ An argument of max() is the string "b": a number is required
  h = lookup({ a = 1 })        # ERROR: Missing argument of a function ~ The 2nd argument of lookup(), key, is missing
  i = length([], 1)            # ERROR: Too many arguments of a function ~ length() takes 1 argument ~ length(value)
  j = [for x in [1, "a", "b"] : ceil(x)] # ERROR: Wrong argument of a function ~ the string "a" # ERROR: Wrong argument of a function ~ the string "b"
  k = upper(lower(["a"]))      # ERROR: Wrong argument of a function ~ of lower(), str, takes a string: this is a list
  l = zipmap(["a"], [1, 2])    # ERROR: Function failed ~ zipmap() failed ~ a list of 1 string, a list of 2 numbers
  m = try(upper([]), ceil("x")) # ERROR: Function failed ~ Give a last argument that always has a value
  n = tonumber("x")            # ERROR: Wrong argument of a function ~ The 1st argument of tonumber() ~ the string "x"
  o = uper("x")                # ERROR: Unknown function ~ Did you mean "upper"
  p = formatlist("%s", 1, [1, 2], [1]) # ERROR: Wrong argument of a function ~ The 4th argument
}
