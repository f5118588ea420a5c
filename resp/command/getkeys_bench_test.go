package command

import "testing"

func BenchmarkAppendKeys(b *testing.B) {
	for _, line := range []string{"get k", "set k v", "mset a 1 b 2", "xread streams a 0"} {
		args := vector(line)
		c := find(args)
		dst := make([]int, 0, 16)
		b.Run(line, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				if _, err := c.AppendKeys(dst, args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
