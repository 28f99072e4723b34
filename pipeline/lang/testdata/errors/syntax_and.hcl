locals {
  a = 1 == 1 and true # ERROR: Missing newline ~ HCL writes && for and
}
