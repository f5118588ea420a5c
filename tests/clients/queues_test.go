package clients

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// queueCluster is a cluster in which an acknowledged write survives the loss of
// a node, as a queue needs it.
func queueCluster(t *testing.T) *harness.Cluster {
	return harness.StartCluster(t, 3, 2, "--replication.durability=quorum")
}

// killPrimary ends the primary of the key's slot with SIGKILL.
func killPrimary(t *testing.T, c *harness.Cluster, key string) {
	t.Helper()
	slot, err := c.Nodes[0].Client().ClusterKeySlot(context.Background(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		if slices.Contains(n.PrimarySlots(c.Nodes[0]), int(slot)) {
			n.Kill()
			return
		}
	}
	t.Fatalf("no primary of slot %d", slot)
}

// restart starts nodes that were killed and waits for the whole cluster.
func restart(c *harness.Cluster) {
	for _, n := range c.Nodes {
		if !n.Running() {
			n.Start()
		}
	}
	c.WaitComplete(harness.FormLimit)
}

// TestBullMQ runs BullMQ's queues, and kills the primary of their slot.
func TestBullMQ(t *testing.T) {
	words := node(t, "bullmq.mjs")
	c := queueCluster(t)
	requests := func(t *testing.T, words []string) {
		switch words[0] {
		case "kill":
			killPrimary(t, c, words[1])
		case "start":
			restart(c)
		default:
			t.Errorf("unknown request %q", words)
		}
	}
	runProgram(t, requests, append(append(words, "cluster"), c.Addrs()...)...)
}

// asynqAddress connects asynq to a cluster. By default go-redis asks for a new
// slot map once a minute and where it is told of a move, not where a node
// refuses connections.
type asynqAddress []string

// MakeRedisClient is what asynq calls.
func (a asynqAddress) MakeRedisClient() any {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: a, ClusterStateReloadInterval: time.Second, DialerRetries: 1})
}

// asynqRun counts how often each task ran.
type asynqRun struct {
	mu   sync.Mutex
	runs map[uint64]int
	late map[uint64]time.Time // when a task may run at the earliest
	err  error
}

// TestAsynq runs three queues of asynq with delays, retries, priorities and a
// schedule, and kills the primary of one of them.
func TestAsynq(t *testing.T) {
	const tasks = 300
	c := queueCluster(t)
	address := asynqAddress(c.Addrs())
	// Three queues, whose slots lie on three nodes or fewer.
	queues := map[string]int{"critical": 6, "default": 3, "low": 1}
	names := []string{"critical", "default", "low"}

	run := &asynqRun{runs: make(map[uint64]int), late: make(map[uint64]time.Time)}
	ticks := make(chan struct{}, 100)
	mux := asynq.NewServeMux()
	mux.HandleFunc("work", run.work)
	mux.HandleFunc("tick", func(context.Context, *asynq.Task) error {
		ticks <- struct{}{}
		return nil
	})
	server := asynq.NewServer(address, asynq.Config{
		Concurrency: 10, Queues: queues, LogLevel: asynq.FatalLevel, TaskCheckInterval: 200 * time.Millisecond,
		DelayedTaskCheckInterval: 200 * time.Millisecond, ShutdownTimeout: time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 100 * time.Millisecond },
	})
	if err := server.Start(mux); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	scheduler := asynq.NewScheduler(address, &asynq.SchedulerOpts{LogLevel: asynq.FatalLevel})
	if _, err := scheduler.Register("@every 1s", asynq.NewTask("tick", nil), asynq.Queue("low")); err != nil {
		t.Fatal(err)
	}
	if err := scheduler.Start(); err != nil {
		t.Fatal(err)
	}
	defer scheduler.Shutdown()

	client := asynq.NewClient(address)
	defer client.Close()
	for i := range uint64(tasks) {
		options := []asynq.Option{asynq.Queue(names[i%3]), asynq.TaskID(fmt.Sprint("task-", i)), asynq.MaxRetry(10), asynq.Retention(time.Hour)}
		if i%5 == 0 {
			options = append(options, asynq.ProcessIn(time.Second))
			run.delay(i, time.Now().Add(time.Second))
		}
		task := asynq.NewTask("work", binary.BigEndian.AppendUint64(nil, i))
		// What failed may have been carried out: the task's ID tells.
		harness.Eventually(t, harness.FormLimit, func() error {
			if _, err := client.Enqueue(task, options...); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
				return err
			}
			return nil
		})
		if i == tasks/2 {
			killPrimary(t, c, "asynq:{critical}:pending")
		}
	}

	inspector := asynq.NewInspector(address)
	defer inspector.Close()
	harness.Eventually(t, time.Minute, func() error {
		done, failed := 0, 0
		for _, name := range names {
			info, err := inspector.GetQueueInfo(name)
			if err != nil {
				return err
			}
			done, failed = done+info.Completed, failed+info.Archived
		}
		if failed > 0 {
			return harness.Final(fmt.Errorf("%d tasks failed for good", failed))
		}
		if done != tasks {
			return fmt.Errorf("%d of %d tasks are done", done, tasks)
		}
		return nil
	})
	run.check(t, tasks)
	select {
	case <-ticks:
	case <-time.After(harness.FormLimit):
		t.Error("the scheduled task never ran")
	}
	restart(c)
	// For a second, go-redis gives the error of its last attempt to connect to the
	// node that was gone.
	harness.Eventually(t, harness.FormLimit, func() error {
		switch _, err := client.Enqueue(asynq.NewTask("work", nil), asynq.TaskID("task-0"), asynq.Queue(names[0])); {
		case errors.Is(err, asynq.ErrTaskIDConflict):
			return nil
		case err == nil:
			return harness.Final(errors.New("a task that is retained was enqueued again"))
		default:
			return err
		}
	})
}

func (r *asynqRun) delay(task uint64, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late[task] = until
}

// work fails the first run of every tenth task.
func (r *asynqRun) work(_ context.Context, t *asynq.Task) error {
	task := binary.BigEndian.Uint64(t.Payload())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[task]++
	// asynq counts in whole seconds.
	if due := r.late[task].Truncate(time.Second); time.Now().Before(due) {
		r.err = fmt.Errorf("task %d ran %v before it was due", task, time.Until(due))
	}
	if task%10 == 3 && r.runs[task] == 1 {
		return errors.New("once more")
	}
	return nil
}

// check requires that each task ran, and those that fail once ran again.
func (r *asynqRun) check(t *testing.T, tasks uint64) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		t.Error(r.err)
	}
	for i := range tasks {
		least := 1
		if i%10 == 3 {
			least = 2
		}
		if r.runs[i] < least {
			t.Errorf("task %d ran %d times, want %d", i, r.runs[i], least)
		}
	}
}
