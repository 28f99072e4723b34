package slurm

import "strings"

// reasons are Slurm's words for why a job waits, in other ones. Source: squeue(1),
// "JOB REASON CODES", and slurm.conf(5).
var reasons = map[string]string{
	"None":                     "Slurm has not looked at it yet",
	"Priority":                 "other jobs are ahead of it in the queue",
	"Resources":                "it is next, and waits until enough cores, memory or GPUs are free",
	"BeginTime":                "its machine failed and Slurm waits a while before it runs it again, or its start time is not reached",
	"Dependency":               "it waits for another job",
	"DependencyNeverSatisfied": "it waits for a job that failed: cancel it",
	"PartitionDown":            "the partition is switched off: ask the cluster's administrators",
	"PartitionInactive":        "the partition is switched off: ask the cluster's administrators",
	"PartitionNodeLimit":       "it asks for more machines than the partition allows",
	"PartitionTimeLimit":       "its time limit is longer than the partition allows: set time in the executor's block",
	"ReqNodeNotAvail":          "a machine that it needs is down or kept for others",
	"Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions": "all machines that could run it are down, drained by an administrator or by Slurm itself (sinfo -R says why), or kept for others",
	"Reservation":                 "it waits for a reservation to begin",
	"JobHeldUser":                 "it was put on hold: scontrol release",
	"JobHeldAdmin":                "an administrator put it on hold, or it failed to start too often: ask them",
	"JobArrayTaskLimit":           "as many tasks of its array run as it may have",
	"Licenses":                    "it waits for a licence",
	"InvalidAccount":              "the account is not valid: set account in the executor's block",
	"InvalidQOS":                  "the quality of service is not valid: set qos in the executor's block",
	"BadConstraints":              "no machine fulfils what it asks for: see constraint, cpus, memory and gpus in the executor's block",
	"Cleaning":                    "an earlier run of it is being cleaned up",
	"Prolog":                      "its machine is being prepared",
	"NodeDown":                    "its machine is down",
	"JobLaunchFailure":            "it could not be started: look at the machine",
	"launch_failed_requeued_held": "its machine could not start it",
	"job_requeued_in_held_state":  "it was queued again on hold: scontrol release",
	"FailedToStart":               "it could not be started: look at the machine",
	"SystemFailure":               "Slurm or a file system failed",
	"NonZeroExitCode":             "it ended with an error",
	"TimeLimit":                   "it reached its time limit",
	"OutOfMemory":                 "it used more memory than it asked for",
	"RaisedSignal":                "a signal ended it",
	"AssocGrpCpuLimit":            "the account uses as many cores as it may",
	"AssocGrpMemLimit":            "the account uses as much memory as it may",
	"MaxMemPerLimit":              "it asks for more memory than is allowed: set memory in the executor's block",
	"AccountingPolicy":            "a limit of the account is reached",
	"AccountNotAllowed":           "the account may not use the partition",
	"QOSNotAllowed":               "the quality of service may not be used in the partition",
}

// inWords explains a reason. Where Slurm's word is not known, or says more, it stands
// beside.
func inWords(reason string) string {
	reason = strings.ReplaceAll(reason, " ", "_") // squeue writes some of them with spaces
	name, more, _ := strings.Cut(reason, ",")
	if words, ok := reasons[reason]; ok {
		return words + " (" + reason + ")"
	}
	if words, ok := reasons[name]; ok {
		return words + " (" + name + after(more) + ")"
	}
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "QOS"):
		return "a limit of the quality of service is reached (" + reason + ")"
	case strings.HasPrefix(name, "Assoc"):
		return "a limit of the account is reached (" + reason + ")"
	case strings.HasPrefix(name, "MaxMem"), strings.HasPrefix(name, "MaxCpu"):
		return "it asks for more than a limit of the account allows (" + reason + ")"
	}
	return reason
}

func after(more string) string {
	if more == "" {
		return ""
	}
	return "," + more
}

// ends are the states of a task that has ended, in words.
var ends = map[string]string{
	"COMPLETED":     "it ended",
	"COMPLETING":    "it ended",
	"FAILED":        "it ended with an error",
	"CANCELLED":     "it was cancelled",
	"TIMEOUT":       "it reached its time limit",
	"OUT_OF_MEMORY": "it used more memory than it asked for",
	"NODE_FAIL":     "its machine failed",
	"BOOT_FAIL":     "its machine did not boot",
	"DEADLINE":      "its deadline passed",
	"PREEMPTED":     "a job of higher priority took its place",
	"REVOKED":       "another cluster took it",
	"SPECIAL_EXIT":  "it ended with an error",
}

// waits are the states of a task that has not begun, or begins again.
var waits = map[string]bool{
	"PENDING": true, "CONFIGURING": true, "REQUEUED": true, "REQUEUE_FED": true, "REQUEUE_HOLD": true, "RESV_DEL_HOLD": true,
}
