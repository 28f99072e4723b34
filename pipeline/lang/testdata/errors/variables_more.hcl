variable "null" {
  type    = number
  default = 1
  validation {
    condition     = var.null # ERROR: Wrong type ~ true or false
    error_message = "x"
  }
}
variable "secret" { # ERROR: Invalid value of a variable
  default   = "s3cret"
  sensitive = true
  validation {
    condition     = length(var.secret) > 10
    error_message = "Not ${var.secret}."
  }
}
variable "no_function" {
  default = timestamp() # ERROR: Unknown function
}
variable "flag" {
  default   = 1
  sensitive = "perhaps" # ERROR: Wrong type
}
variable "description" {
  default     = 1
  description = 3 # ERROR: Wrong type
}
variable "list" {
  type    = list(number)
  default = [1, "x"] # ERROR: Wrong type ~ [1]
}
variable "no_condition" {
  default = 1
  validation { # ERROR: Missing attribute
  }
}
variable "block" {
  default = 1
  validaton { # ERROR: Unknown block ~ Did you mean "validation"?
  }
}
variable "t" {
  type = list # ERROR: Unknown type ~ requires one argument
}
