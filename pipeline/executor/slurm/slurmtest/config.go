package slurmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Options say what the cluster has. Zero values take the defaults.
type Options struct {
	Machines int // 2
	CPUs     int // of each, 4
	GPUs     int // of each, 0 for none
	Memory   int // of each, in MiB, 4000
	// Types are what the GPUs of each machine are called, "-" where they have no
	// type; "fake" of machines that come after.
	Types []string
	// Hidden is a folder that the machines do not see: an empty one is in its place.
	Hidden string
}

func (o Options) filled() Options {
	if o.Machines == 0 {
		o.Machines = 2
	}
	if o.CPUs == 0 {
		o.CPUs = 4
	}
	if o.Memory == 0 {
		o.Memory = 4000
	}
	return o
}

// gpuType is what the i-th machine's GPUs are called, after a text; "" where they have
// no type.
func (o Options) gpuType(i int, after string) string {
	name := "fake"
	if i < len(o.Types) {
		name = o.Types[i]
	}
	if name == "-" {
		return ""
	}
	return after + name
}

// Partition is the one that jobs go to by default. Another one, "long", has the
// last machine only, and "short" ends jobs after two minutes.
const Partition = "main"

// settings notice a machine's death soon. What is only slow, on a machine that has many
// other tests to run, is waited for.
const settings = `ClusterName=nbtest
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=60
BatchStartTimeout=120
InactiveLimit=0
KillWait=2
MinJobAge=300
CompleteWait=0
JobRequeue=1
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
`

// configure writes the files that Slurm reads; ports[0] is the controller's.
func (c *Cluster) configure(ports []int) error {
	var b strings.Builder
	b.WriteString(settings)
	fmt.Fprintf(&b, "SlurmctldHost=%s(127.0.0.1)\nSlurmctldPort=%d\n", c.host, ports[0])
	fmt.Fprintf(&b, "AuthInfo=socket=%s\n", c.path("munge/socket"))
	fmt.Fprintf(&b, "StateSaveLocation=%s\nSlurmdSpoolDir=%s/%%n\n", c.path("state"), c.path("spool"))
	fmt.Fprintf(&b, "SlurmctldPidFile=%s\nSlurmdPidFile=%s.%%n\n", c.path("slurmctld.pid"), c.path("slurmd.pid"))
	fmt.Fprintf(&b, "SlurmctldLogFile=%s\nSlurmdLogFile=%s.%%n\n", c.path("log/slurmctld"), c.path("log/slurmd"))
	var gres strings.Builder
	for i := range c.options.Machines {
		name := machine(i)
		if err := os.MkdirAll(c.path("spool/"+name), 0o755); err != nil {
			return err
		}
		fmt.Fprintf(&b, "NodeName=%s NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=%d RealMemory=%d Feature=test,%s State=UNKNOWN", name, c.host, ports[i+1], c.options.CPUs, c.options.Memory, name)
		if c.options.GPUs > 0 {
			fmt.Fprintf(&b, " Gres=gpu%s:%d", c.options.gpuType(i, ":"), c.options.GPUs)
		}
		b.WriteString("\n")
		if err := c.makeGPUs(&gres, i); err != nil {
			return err
		}
	}
	if c.options.GPUs > 0 {
		b.WriteString("GresTypes=gpu\n")
	}
	last := c.options.Machines - 1
	fmt.Fprintf(&b, "PartitionName=%s Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=64 State=UP\n", Partition)
	fmt.Fprintf(&b, "PartitionName=long Nodes=%s MaxTime=INFINITE DefMemPerCPU=64 State=UP\n", machine(last))
	fmt.Fprintf(&b, "PartitionName=short Nodes=ALL MaxTime=2 DefMemPerCPU=64 State=UP\n")
	for name, content := range map[string]string{
		"slurm.conf": b.String(), "gres.conf": gres.String(), "cgroup.conf": "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n",
	} {
		if err := os.WriteFile(c.path(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeGPUs makes device nodes: Slurm takes nothing else for a GPU.
func (c *Cluster) makeGPUs(gres *strings.Builder, i int) error {
	name := machine(i)
	const null = 1<<8 | 3 // the device number of /dev/null
	for g := range c.options.GPUs {
		if err := syscall.Mknod(c.path(fmt.Sprintf("spool/%s-gpu%d", name, g)), syscall.S_IFCHR|0o666, null); err != nil && !os.IsExist(err) {
			return fmt.Errorf("making a GPU: %w", err)
		}
	}
	if c.options.GPUs > 0 {
		fmt.Fprintf(gres, "NodeName=%s Name=gpu%s Count=%d File=%s[0-%d]\n", name, c.options.gpuType(i, " Type="), c.options.GPUs, c.path("spool/"+name+"-gpu"), c.options.GPUs-1)
	}
	return nil
}

// machine is the name of the i-th machine, from 0.
func machine(i int) string { return fmt.Sprintf("n%d", i+1) }

func (c *Cluster) path(name string) string { return filepath.Join(c.Dir, name) }
