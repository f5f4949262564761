package lab

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed config
var configFiles embed.FS

// writeConfig fills in the daemons' configuration files below config/.
func (l *Lab) writeConfig() error {
	targets := map[string]string{
		"containerd.toml": "containerd.toml", "hosts.toml": "registries/_default/hosts.toml", "cni.conflist": "cni/10-lab.conflist",
		"kubelet.yaml": "kubelet.yaml", "resolv.conf": "resolv.conf", "proxy.yaml": "proxy.yaml",
	}
	values := map[string]string{
		"State": l.State, "Socket": l.containerdSocket(), "PodNetwork": podNetwork, "NodeAddress": nodeAddress,
		"DNSAddress": dnsAddress, "NodeName": nodeName,
	}
	for name, target := range targets {
		parsed, err := template.ParseFS(configFiles, "config/"+name)
		if err != nil {
			return err
		}
		var filled bytes.Buffer
		if err := parsed.Execute(&filled, values); err != nil {
			return err
		}
		file := l.path("config", target)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, filled.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
