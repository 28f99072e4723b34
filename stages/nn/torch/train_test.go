package torch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nn"
)

func TestTrainingLowersTheLossAndIsRepeatable(t *testing.T) {
	e := newEngine(t, Options{})
	for _, job := range []*nn.Job{pointJob(t), denseJob(t)} {
		job.Recipe.Epochs = 12
		steps := 0
		first := train(t, e, job, nn.Hooks{Step: func(done, total int) {
			if steps++; done != steps || total != 12*((job.Train.Len()+7)/8) {
				t.Errorf("step %d of %d was told as %d", steps, total, done)
			}
		}})
		if steps != 12*((job.Train.Len()+7)/8) {
			t.Errorf("%d steps were told", steps)
		}
		if first.Epochs[11].TrainLoss > 0.9*first.Epochs[0].TrainLoss {
			t.Errorf("the loss went from %v to %v", first.Epochs[0].TrainLoss, first.Epochs[11].TrainLoss)
		}
		if diff := cmp.Diff(first, train(t, e, job, nn.Hooks{})); diff != "" {
			t.Errorf("a second run differs: %s", diff)
		}
	}
}
