package image_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestDebian takes some minutes: VAUBAN_SLOW=1 asks for it.
func TestDebian(t *testing.T) {
	if os.Getenv("VAUBAN_SLOW") == "" {
		t.Skip("takes minutes: set VAUBAN_SLOW=1")
	}
	const patience = 10 * time.Minute
	m := newMachine(t, build(t, "debian-12"), `#cloud-config
write_files:
  - path: /etc/written
    content: by cloud-config
runcmd:
  - echo run >>/home/admin/runs
`)
	start := time.Now()
	m.start()
	c := m.connect("admin", patience)
	t.Logf("SSH after %v", time.Since(start).Round(time.Second))
	m.run(c, "cloud-init status --wait")
	for command, want := range map[string]string{
		"sudo -n id -u":               "0",
		"hostname":                    "ip-10-0-1-5",
		"cat /etc/written":            "by cloud-config",
		"cat runs":                    "run",
		"cloud-id":                    "aws",
		"cat /etc/machine-id | wc -c": "33",
		". /etc/os-release; echo $VERSION_CODENAME":                                                         "bookworm",
		"test $(df -m --output=size / | tail -n1) -gt 3500 && echo grown":                                   "grown",
		"getent hosts ip-10-0-1-9.eu-paris-1.compute.internal | cut -d' ' -f1":                              "10.0.1.9",
		"systemctl list-units --failed --plain --no-legend | wc -l":                                         "0",
		"systemctl is-active qemu-guest-agent serial-getty@ttyS0":                                           "active\nactive",
		"grep -c . /etc/apt/sources.list; ls /etc/dpkg/dpkg.cfg.d /etc/apt/apt.conf.d | grep -c mmdebstrap": "3\n0",
	} {
		if got := strings.TrimSpace(m.output(c, command)); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	m.refuse("root")
	hostKey := string(m.hostKey)
	m.shutdown(patience)

	m.start()
	c = m.connect("admin", patience)
	m.run(c, "cloud-init status --wait")
	if got := m.run(c, "cat runs"); got != "run" {
		t.Errorf("user data after a reboot: %q", got)
	}
	if hostKey != string(m.hostKey) {
		t.Error("the host key changed with a reboot")
	}
	m.shutdown(patience)
}
