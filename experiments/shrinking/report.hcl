report "html" "page" {
  title      = "Shrinking the space on NAS-Bench-201 tables"
  hypotheses = [hypothesis.spaces, hypothesis.edges_score, hypothesis.edges_accuracy]
  summary    = "What is a shrunk space worth? LISSNAS keeps pockets around good architectures; the plainest alternatives remove the operations that look worst, or draw at random. All are compared at equal size and for the same number of evaluations, with two budgets. AutoShrink, which removes edges, is compared with as many random draws. No number of either paper is claimed."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.page.page
}

output "recall" {
  description = "Share of the true best 1 % that the pockets keep, by budget and task."
  value       = { for budget, h in hypothesis.spaces : budget => { for task, m in h.recall : task => m["pockets"].value } }
}
