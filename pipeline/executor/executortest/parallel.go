package executortest

import "flag"

// atATime is how many parallel tests run at a time unless -parallel says so. It is no
// number of cores: tests of executors wait for schedulers, servers and time limits
// most of the time.
const atATime = "6"

// Patient is called in a TestMain, before the tests run, by packages most of whose
// tests wait.
func Patient() {
	if err := flag.Set("test.parallel", atATime); err != nil {
		panic(err) // only where there are no tests
	}
}
