report "html" "oneproxy" {
  title      = "One proxy device for hardware-aware NAS, re-run"
  hypotheses = [hypothesis.cells, hypothesis.devices, hypothesis.as_printed, hypothesis.hardware, hypothesis.space, hypothesis.myriad, hypothesis.more, hypothesis.absolute]
  summary    = "Do devices agree on which architectures are fast, so that one of them can stand in for the others, and can a latency predictor be adapted where they do not? The tests of Lu et al. (SIGMETRICS 2022) on the published latencies of 1,999 cells on 18 devices, and on HW-NAS-Bench-360. The 1,999 cells are no sample of the space but, with few exceptions, its most accurate ones; accuracies of Pareto sets are measured ones, so that what is lost is lost by the latencies alone."
}

output "report" {
  description = "The report, one self-contained page."
  value       = report.oneproxy.page
}

output "adapted" {
  description = "SRCC before and after AdaProxy, and the linear model's ceiling."
  value       = { for device, a in hypothesis.myriad.adapted : device => [hypothesis.myriad.before[device].value, a.value, hypothesis.myriad.ceiling[device]] }
}
