# Each search is repeated in var.runs independent runs.

locals {
  vision = {
    for task in ["cifar10", "cifar100", "imagenet16"] : task => {
      table = preprocess.vision.table, task = "${task}_12", report = "${task}_200", epochs = 12, direction = "maximise"
    }
  }
  oracle = {
    ninapro = { table = preprocess.ninapro.table, task = "ninapro", report = "ninapro", epochs = 200, direction = "maximise" }
    darcy   = { table = preprocess.darcy.table, task = "darcy", report = "darcy", epochs = 200, direction = "minimise" }
  }
  tasks = merge(local.vision, local.oracle)
}

# One fidelity: var.budget evaluations, on the vision tasks of 12 epochs each.

search "random" "random" {
  description = "What the others have to beat."
  for_each    = local.tasks
  table       = each.value.table
  task        = each.value.task
  report      = each.value.report
  epochs      = each.value.epochs
  direction   = each.value.direction
  budget      = var.budget
  runs        = var.runs
  seed        = var.seed
}

search "regularized_evolution" "evolution" {
  for_each  = local.tasks
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  direction = each.value.direction
  budget    = var.budget
  runs      = var.runs
  seed      = var.seed
}

search "local_search" "local" {
  for_each  = local.tasks
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  direction = each.value.direction
  budget    = var.budget
  runs      = var.runs
  seed      = var.seed
}

search "reinforce" "reinforce" {
  for_each  = local.tasks
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  direction = each.value.direction
  budget    = var.budget
  runs      = var.runs
  seed      = var.seed
}

search "bananas" "bananas" {
  for_each  = local.tasks
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  direction = each.value.direction
  budget    = var.budget
  runs      = var.runs
  seed      = var.seed
}

search "lissnas" "pockets" {
  for_each  = local.tasks
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  direction = each.value.direction
  budget    = var.budget
  runs      = var.runs
  seed      = var.seed
}

# Two fidelities. A promotion to 200 epochs costs as much as 17 architectures at 12,
# so that these searches get five times the budget, and random sampling and evolution
# with 12 epochs get it, too. There is no validation accuracy after 200 epochs: at
# the higher fidelity they look at the test accuracy by which they are judged, and
# are oracles to that extent.

search "hyperband" "hyperband" {
  for_each   = local.vision
  table      = each.value.table
  fidelities = { 12 = each.value.task, 200 = each.value.report }
  budget     = var.epochs
  budget_in  = "epochs"
  runs       = var.runs
  seed       = var.seed
}

search "asha" "asha" {
  for_each   = local.vision
  table      = each.value.table
  fidelities = { 12 = each.value.task, 200 = each.value.report }
  budget     = var.epochs
  budget_in  = "epochs"
  runs       = var.runs
  seed       = var.seed
}

search "bohb" "bohb" {
  for_each   = local.vision
  table      = each.value.table
  fidelities = { 12 = each.value.task, 200 = each.value.report }
  budget     = var.epochs
  budget_in  = "epochs"
  runs       = var.runs
  seed       = var.seed
}

search "random" "random_long" {
  for_each  = local.vision
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  budget    = var.epochs
  budget_in = "epochs"
  runs      = var.runs
  seed      = var.seed
}

search "regularized_evolution" "evolution_long" {
  for_each  = local.vision
  table     = each.value.table
  task      = each.value.task
  report    = each.value.report
  epochs    = each.value.epochs
  budget    = var.epochs
  budget_in = "epochs"
  runs      = var.runs
  seed      = var.seed
}
