locals {
  a = if true then 1 # ERROR: Missing newline ~ CONDITION ? A : B
}
