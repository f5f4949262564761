package warmup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config is the job's configuration.
type Config struct {
	// Namespace is where the functions are.
	Namespace string `env:"NAMESPACE,required,notEmpty"`
	// Scale is the least each function has at the open: name=pods, separated by commas.
	Scale string `env:"WARM_SCALE" envDefault:"quote=3,quote-stream=2,order=3,account=2"`
	// FromPeak takes the last trading day's peak where that was more.
	FromPeak bool `env:"WARM_FROM_PEAK" envDefault:"true"`
	// Lead is how long before the open the pods are asked for; Rush how long after it they are kept.
	Lead time.Duration `env:"WARM_LEAD" envDefault:"20m"`
	Rush time.Duration `env:"WARM_RUSH" envDefault:"35m"`
	// APIServer, TokenFile and AuthorityFile are how the cluster is reached; a pod needs none of them set.
	APIServer     string `env:"KUBERNETES_API" envDefault:"https://kubernetes.default.svc"`
	TokenFile     string `env:"KUBERNETES_TOKEN_FILE" envDefault:"/var/run/secrets/kubernetes.io/serviceaccount/token"`
	AuthorityFile string `env:"KUBERNETES_CA_FILE" envDefault:"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"`
}

// maxWarm is the most pods of one function that a slip of the keyboard can ask for.
const maxWarm = 100

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.Lead <= 0 || c.Lead > 5*time.Hour || c.Rush <= 0 || c.Rush > 5*time.Hour {
		return errors.New("WARM_LEAD and WARM_RUSH: must be more than 0 and at most 5h")
	}
	_, err := c.scales()
	return err
}

// scales reads Scale.
func (c *Config) scales() (map[string]int, error) {
	scales := make(map[string]int)
	for part := range strings.SplitSeq(c.Scale, ",") {
		name, number, found := strings.Cut(strings.TrimSpace(part), "=")
		pods, err := strconv.Atoi(number)
		if !found || name == "" || err != nil || pods < 1 || pods > maxWarm {
			return nil, fmt.Errorf("WARM_SCALE: want name=pods with 1 to %d pods, separated by commas; got %q", maxWarm, part)
		}
		scales[name] = pods
	}
	return scales, nil
}
