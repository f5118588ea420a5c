package resp

import (
	"fmt"
	"strconv"
	"strings"
)

func init() { handle(map[string]Handler{"info": info}) }

// infoSection is one part of INFO.
type infoSection struct {
	name  string // as given to INFO
	title string
	kind  infoKind
	write func(d *Dispatcher, w *infoWriter)
}

type infoKind uint8

const (
	infoDefault infoKind = iota // in INFO, INFO all, INFO everything
	infoAll                     // in INFO all, INFO everything
)

// infoSections are in the order in which Redis prints them.
var infoSections = []infoSection{
	{"server", "Server", infoDefault, (*Dispatcher).infoServer},
	{"clients", "Clients", infoDefault, (*Dispatcher).infoClients},
	{"memory", "Memory", infoDefault, (*Dispatcher).infoMemory},
	{"persistence", "Persistence", infoDefault, (*Dispatcher).infoPersistence},
	{"stats", "Stats", infoDefault, (*Dispatcher).infoStats},
	{"replication", "Replication", infoDefault, (*Dispatcher).infoReplication},
	{"cpu", "CPU", infoDefault, (*Dispatcher).infoCPU},
	{"modules", "Modules", infoDefault, func(*Dispatcher, *infoWriter) {}},
	{"commandstats", "Commandstats", infoAll, (*Dispatcher).infoCommandStats},
	{"errorstats", "Errorstats", infoDefault, (*Dispatcher).infoErrorStats},
	{"latencystats", "Latencystats", infoAll, (*Dispatcher).infoLatencyStats},
	{"cluster", "Cluster", infoDefault, (*Dispatcher).infoCluster},
	{"keyspace", "Keyspace", infoDefault, (*Dispatcher).infoKeyspace},
}

func info(c *Ctx) {
	c.d.passCounts(c)
	w := infoWriter{allLocked: c.Tx.AllLocked}
	for i := range infoSections {
		s := &infoSections[i]
		if !s.wanted(c.Args[1:]) {
			continue
		}
		if w.b.Len() > 0 {
			w.b.WriteString("\r\n")
		}
		w.b.WriteString("# " + s.title + "\r\n")
		s.write(c.d, &w)
	}
	c.W.Verbatim("txt", w.b.String())
}

func (s *infoSection) wanted(args [][]byte) bool {
	if len(args) == 0 {
		return s.kind == infoDefault
	}
	for _, arg := range args {
		switch {
		case isWord(arg, s.name), isWord(arg, "all"), isWord(arg, "everything"):
			return true
		case isWord(arg, "default") && s.kind == infoDefault:
			return true
		}
	}
	return false
}

// infoWriter collects the lines of INFO.
type infoWriter struct {
	b         strings.Builder
	allLocked bool // the caller of INFO holds the locks of all shards
}

func (w *infoWriter) str(name, value string) {
	w.b.WriteString(name)
	w.b.WriteByte(':')
	w.b.WriteString(value)
	w.b.WriteString("\r\n")
}

func (w *infoWriter) int(name string, value int64) { w.str(name, strconv.FormatInt(value, 10)) }

// float prints with a fixed number of decimals.
func (w *infoWriter) float(name string, value float64, decimals int) {
	w.str(name, strconv.FormatFloat(value, 'f', decimals, 64))
}

func (w *infoWriter) percent(name string, part, whole int64) {
	w.str(name, strconv.FormatFloat(ratio(part, whole)*100, 'f', 2, 64)+"%")
}

// size prints a number of bytes, and the same for people to read.
func (w *infoWriter) size(name string, bytes int64) {
	w.int(name, bytes)
	w.str(name+"_human", humanBytes(bytes))
}

func (w *infoWriter) bool(name string, value bool) {
	if value {
		w.str(name, "1")
	} else {
		w.str(name, "0")
	}
}

// zeros prints the fields of a feature that is idle, or not there.
func (w *infoWriter) zeros(names ...string) {
	for _, n := range names {
		w.str(n, "0")
	}
}

func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// humanBytes formats as Redis does: B below 1 KB, then two decimals.
func humanBytes(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + "B"
	}
	units := []string{"K", "M", "G", "T", "P"}
	value := float64(n) / (1 << 10)
	i := 0
	for ; value >= 1<<10 && i+1 < len(units); i++ {
		value /= 1 << 10
	}
	return fmt.Sprintf("%.2f%s", value, units[i])
}
