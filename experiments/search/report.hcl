report "html" "page" {
  title      = "Search algorithms on NAS-Bench-201 tables"
  hypotheses = [hypothesis.vision, hypothesis.oracle, hypothesis.fidelities]
  summary    = "Which search finds the better architecture for the same budget, and is any better than random sampling? The protocol of NATS-Bench where the published tables allow it: search by validation accuracy after 12 epochs, judge by test accuracy after 200, 500 runs. NinaPro and Darcy Flow have one test value an architecture: oracles."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.page.page
}

output "mean_rank" {
  description = "Mean ranks on the vision tasks, 1 the best."
  value       = { for name, r in hypothesis.vision.mean_rank : name => r.value }
}
