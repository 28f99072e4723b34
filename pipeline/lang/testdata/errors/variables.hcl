variable "missing" { # ERROR: Variable without a value
  type = number
}
variable "wrong" {
  type    = number
  default = "three" # ERROR: Wrong type
}
variable "type" {
  type = strnig # ERROR: Unknown type ~ Did you mean "string"?
}
variable "invalid" { # ERROR: Invalid value of a variable ~ Too large. ~ the number 3
  default = 3
  validation {
    condition     = var.invalid < 2
    error_message = "Too large."
  }
}
variable "no_message" {
  default = 3
  validation { # ERROR: Missing attribute
    condition = var.no_message < 2
  }
}
variable "elsewhere" {
  default = var.wrong # ERROR: Reference not allowed here
  validation {
    condition     = var.wrong > local.x # ERROR: Reference not allowed here # ERROR: Reference not allowed here
    error_message = "x"
  }
}
variable "members" {
  type    = object({ name = string, size = optional(number) })
  default = { name = "x", sise = 2 } # ERROR: Wrong type ~ Did you mean "size"?
}
variable "unknown" {
  defualt = 3 # ERROR: Unknown attribute
  default = 3
}
locals {
  x = 1
  y = var.missing + var.wrong + var.type # no second errors
}
