locals {
  # Nested calls must not take exponential time.
  a = try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(try(null.x)))))))))))))))))))))))))))))) # ERROR: Function failed
}
