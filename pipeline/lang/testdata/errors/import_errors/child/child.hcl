variable "size" {
  type = number
}
variable "name" {
  default = "x"
}
locals {
  inner = 1
}
output "result" {
  value = var.size + local.inner
}
