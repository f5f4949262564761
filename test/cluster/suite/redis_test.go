package suite

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// forget deletes the keys of a pattern from the test cluster's Redis, so that the suite can be run twice.
func (c *cluster) forget(t *testing.T, pattern string) {
	t.Helper()
	address := os.Getenv("REDIS_ADDRESS")
	if address == "" {
		address = c.k(t, "get", "service", "redis", "-o", "jsonpath={.spec.clusterIP}") + ":6379"
	}
	connection, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	const script = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 1"
	request := fmt.Sprintf("*4\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n$%d\r\n%s\r\n", len(script), script, len(pattern), pattern)
	if _, err := connection.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil || line != ":1\r\n" {
		t.Fatalf("Redis answers %q, %v", line, err)
	}
}
