locals {
  x = uper("a")    # ERROR: Unknown function
  y = timestamp()  # ERROR: Unknown function
  z = env("HOME")  # ERROR: Unknown function
}
