locals {
  a = 1e99999999999999999999 # ERROR: Invalid number literal ~ too large
}
