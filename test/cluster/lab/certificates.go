package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// certificateLife is a year: a lab is not kept that long.
const certificateLife = 365 * 24 * time.Hour

// identity is one certificate: who it says its holder is, and for a server under which names it is reached.
type identity struct {
	file      string
	name      string
	group     string
	names     []string
	addresses []string
	// kubeconfig asks for a client configuration beside it.
	kubeconfig bool
}

func identities() []identity {
	return []identity{
		{
			file: "apiserver", name: "kube-apiserver", addresses: []string{"127.0.0.1", kubernetesIP, nodeAddress},
			names: []string{
				"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
			},
		},
		{file: "admin", name: "admin", group: "system:masters", kubeconfig: true},
		{file: "controllers", name: "system:kube-controller-manager", kubeconfig: true},
		{file: "scheduler", name: "system:kube-scheduler", kubeconfig: true},
		{
			file: "kubelet", name: "system:node:" + nodeName, group: "system:nodes", kubeconfig: true,
			names: []string{nodeName}, addresses: []string{nodeAddress, "127.0.0.1"},
		},
		{file: "proxy", name: "system:kube-proxy", kubeconfig: true},
		{file: "frontproxy", name: "front-proxy"},
	}
}

// certify makes the authority, all certificates, the key of the service accounts' tokens and the client
// configurations, unless they are there.
func (l *Lab) certify() error {
	if _, err := os.Stat(l.path("certs", "sa.pub")); err == nil {
		return nil
	}
	if err := os.MkdirAll(l.path("certs"), 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if err := l.issue("ca", authority, authority, key, key); err != nil {
		return err
	}
	for serial, id := range identities() {
		if err := l.issueFor(id, int64(serial)+2, authority, key); err != nil {
			return fmt.Errorf("certificate of %s: %w", id.name, err)
		}
	}
	return l.tokenKey()
}

func (l *Lab) issueFor(id identity, serial int64, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	subject := pkix.Name{CommonName: id.name}
	if id.group != "" {
		subject.Organization = []string{id.group}
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: subject, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, DNSNames: id.names,
	}
	for _, address := range id.addresses {
		certificate.IPAddresses = append(certificate.IPAddresses, net.ParseIP(address))
	}
	if err := l.issue(id.file, certificate, authority, key, authorityKey); err != nil || !id.kubeconfig {
		return err
	}
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "%s", certificate-authority: "%s"}}]
users: [{name: "%s", user: {client-certificate: "%s", client-key: "%s"}}]
contexts: [{name: lab, context: {cluster: lab, user: "%s"}}]
current-context: lab
`, apiServer, l.path("certs", "ca.crt"), id.name, l.path("certs", id.file+".crt"), l.path("certs", id.file+".key"), id.name)
	return os.WriteFile(l.path("certs", id.file+".kubeconfig"), []byte(content), 0o600)
}

func (l *Lab) issue(file string, certificate, authority *x509.Certificate, key, authorityKey *ecdsa.PrivateKey) error {
	signed, err := x509.CreateCertificate(rand.Reader, certificate, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(l.path("certs", file+".crt"), "CERTIFICATE", signed, 0o644),
		writePEM(l.path("certs", file+".key"), "PRIVATE KEY", private, 0o600))
}

// tokenKey makes the RSA key that signs service accounts' tokens.
func (l *Lab) tokenKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(l.path("certs", "sa.key"), "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return writePEM(l.path("certs", "sa.pub"), "PUBLIC KEY", public, 0o644) // last: it says that all is there
}

func writePEM(name, kind string, content []byte, mode fs.FileMode) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), mode)
}
