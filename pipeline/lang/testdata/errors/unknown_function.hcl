locals {
  x = uper("a")    # ERROR: Unknown function ~ Did you mean "upper"?
  y = timestamp()  # ERROR: Unknown function ~ none for time
  z = env("HOME")  # ERROR: Unknown function
}
