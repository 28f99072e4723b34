output "no_value" { # ERROR: Missing attribute
}
output "unknown" {
  value = local.none # ERROR: Undefined local value
}
output "attribute" {
  value = 1
  vlaue = 2 # ERROR: Unknown attribute ~ Did you mean "value"?
}
output "two" "labels" { # ERROR: Wrong labels
  value = 1
}
output "flag" {
  value     = 1
  sensitive = null # ERROR: Wrong type
}
