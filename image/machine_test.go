package image_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/image"
	"github.com/vauban-cloud/vauban/node/dhcp"
	"github.com/vauban-cloud/vauban/node/dns"
	"github.com/vauban-cloud/vauban/node/metadata"
)

// machine is one guest with a network of its own, in which the services of a VPC
// answer. Everything of it is gone with the test.
type machine struct {
	t     *testing.T
	ns    netns.NsHandle
	image image.Built
	dir   string // disk, sockets, console
	key   ssh.Signer

	mu    sync.Mutex
	guest metadata.Guest // guarded by mu; what the metadata service tells

	qemu    *exec.Cmd
	ended   chan error // of qemu
	hostKey []byte     // that the guest showed last
}

var (
	guestMAC   = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x05}
	guestIP    = netip.MustParseAddr("10.0.1.5")
	routerIP   = netip.MustParseAddr("10.0.1.1")
	resolver   = netip.MustParseAddr("10.0.0.2")
	metadataIP = netip.MustParseAddr("169.254.169.254")
)

// newMachine makes the network and the disk of a guest, which is not started yet.
func newMachine(t *testing.T, built image.Built, userData string) *machine {
	t.Helper()
	m := &machine{t: t, image: built, dir: t.TempDir(), ns: namespace(t)}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if m.key, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	sshKey, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	m.guest = metadata.Guest{
		Instance: cloud.Instance{
			Meta: cloud.Meta{ID: cloud.NewID("i"), Account: "000000000001"}, Image: "ami-1", Type: "t3.micro",
			Zone: "eu-paris-1a", VPC: "vpc-1", UserData: []byte(userData), RootDevice: "/dev/xvda", Launched: time.Now(),
			Metadata: cloud.MetadataOptions{Tokens: "required", HopLimit: 1, Endpoint: "enabled"},
		},
		Interfaces: []cloud.NetworkInterface{{
			Meta: cloud.Meta{ID: "eni-1"}, MAC: guestMAC.String(), VPC: "vpc-1", Subnet: "subnet-1",
			Addresses:  []cloud.PrivateAddress{{Private: guestIP}},
			Attachment: &cloud.InterfaceAttachment{},
		}},
		VPC:     cloud.VPC{Meta: cloud.Meta{ID: "vpc-1"}, CIDRs: []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("10.0.0.0/16")}}},
		Subnets: map[string]cloud.Subnet{"subnet-1": {Prefix: netip.MustParsePrefix("10.0.1.0/24")}},
		Image:   cloud.Image{Architecture: "x86_64"},
		Key:     &cloud.KeyPair{Name: "test", PublicKey: string(ssh.MarshalAuthorizedKey(sshKey))},
	}
	m.tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", built.Format, "-b", built.Disk, m.file("root.qcow2"), "4G")
	m.serve()
	return m
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) tool(name string, args ...string) {
	m.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// Guest is what the metadata service tells.
func (m *machine) Guest(_ context.Context, _ string, a netip.Addr) (metadata.Guest, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.guest, a == guestIP
}

// namespace makes a nameless network namespace.
func namespace(t *testing.T) netns.NsHandle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	type result struct {
		ns  netns.NsHandle
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ns, err := netns.New()
		done <- result{ns, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.ns.Close() })
	return r.ns
}

// within runs f inside the guest's network; sockets made there stay there.
func (m *machine) within(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(m.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// serve gives the network its addresses, and runs the VPC's services in it.
func (m *machine) serve() {
	t := m.t
	t.Helper()
	var (
		ask  *net.UDPConn
		web  net.Listener
		name net.PacketConn
	)
	err := m.within(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		err = netlink.LinkSetUp(lo)
		for _, a := range []netip.Addr{routerIP, resolver, metadataIP} {
			err = errors.Join(err, netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}}))
		}
		var e1, e2, e3 error
		ask, e1 = net.ListenUDP("udp4", &net.UDPAddr{Port: 67})
		web, e2 = net.Listen("tcp4", metadataIP.String()+":80")
		name, e3 = net.ListenPacket("udp4", resolver.String()+":53")
		return errors.Join(err, e1, e2, e3)
	})
	if err != nil {
		t.Fatal(err)
	}
	lease := dhcp.Lease{
		MAC: guestMAC, Address: guestIP, Prefix: netip.MustParsePrefix("10.0.1.0/24"), Router: routerIP,
		DNS: []netip.Addr{resolver}, Hostname: "ip-10-0-1-5", Domain: cloud.DefaultPlace().PrivateDomain(), MTU: 1500,
	}
	leases := &dhcp.Server{
		Port:  func(int) (string, bool) { return "eni-1", true },
		Lease: func(string) (dhcp.Lease, bool) { return lease, true },
	}
	facts, err := metadata.New(metadata.Config{VPC: "vpc-1", Place: cloud.DefaultPlace(), Source: m, Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	names := dns.New(dns.Config{
		Place: cloud.DefaultPlace(),
		CIDRs: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var servers sync.WaitGroup
	for _, serve := range []func() error{
		func() error { return leases.Serve(ctx, ask) },
		func() error { return facts.Serve(ctx, web) },
		func() error { return names.Serve(ctx, []net.PacketConn{name}, nil) },
	} {
		servers.Go(func() {
			if err := serve(); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); servers.Wait() })
}

// tap opens the network's end of the guest's card.
func (m *machine) tap() *os.File {
	m.t.Helper()
	var tap *os.File
	err := m.within(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		tap = os.NewFile(uintptr(fd), "tap")
		r, err := unix.NewIfreq("guest")
		if err != nil {
			return err
		}
		r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
			return err
		}
		link, err := netlink.LinkByName("guest")
		if err != nil {
			return err
		}
		to := &net.IPNet{IP: guestIP.AsSlice(), Mask: net.CIDRMask(32, 32)}
		return errors.Join(netlink.LinkSetUp(link),
			netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Scope: netlink.SCOPE_LINK}))
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return tap
}

// start switches the guest on.
func (m *machine) start() {
	m.t.Helper()
	tap := m.tap()
	defer tap.Close()
	args := []string{
		"-name", "image-test", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "pc-q35-7.2", "-accel", "tcg,tb-size=64", "-cpu", "max", "-smp", "1", "-m", "512",
		"-uuid", "ec200000-0000-4000-8000-000000000001", "-smbios", "type=1,serial=ec200000-0000-4000-8000-000000000001",
		"-chardev", "file,id=console,append=on,path=" + m.file("console"), "-serial", "chardev:console", "-qmp", "unix:" + m.file("qmp") + ",server=on,wait=off",
		"-device", "pcie-root-port,id=port1,chassis=1", "-device", "pcie-root-port,id=port2,chassis=2",
		"-device", "pcie-root-port,id=port3,chassis=3",
		"-drive", "if=none,id=root,format=qcow2,file=" + m.file("root.qcow2"),
		"-device", "virtio-blk-pci,drive=root,bus=port1,serial=vol0123456789abcdef0,bootindex=1",
		"-device", "virtio-serial-pci,id=ports", "-chardev", "socket,id=agent,server=on,wait=off,path=" + m.file("agent"),
		"-device", "virtserialport,bus=ports.0,chardev=agent,name=org.qemu.guest_agent.0",
		"-netdev", "tap,id=net,fd=3", "-device", "virtio-net-pci,netdev=net,bus=port2,romfile=,mac=" + guestMAC.String(),
	}
	if m.image.Direct {
		args = append(args, "-kernel", m.image.Kernel, "-initrd", m.image.Initrd, "-append", m.image.KernelArgs)
	}
	m.qemu = exec.Command("qemu-system-x86_64", args...)
	m.qemu.ExtraFiles = []*os.File{tap}
	var said bytes.Buffer
	m.qemu.Stdout, m.qemu.Stderr = &said, &said
	if err := m.qemu.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.ended = make(chan error, 1)
	go func(q *exec.Cmd, ended chan error) {
		err := q.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said.String())
		}
		ended <- err
	}(m.qemu, m.ended)
	m.t.Cleanup(m.kill)
}

// kill ends the guest at once.
func (m *machine) kill() {
	if m.qemu != nil {
		m.qemu.Process.Kill()
		<-m.ended
		m.qemu = nil
	}
}

// shutdown presses the power button and waits for the guest to switch itself off.
func (m *machine) shutdown(patience time.Duration) time.Duration {
	m.t.Helper()
	start := time.Now()
	m.monitor(`{"execute":"system_powerdown"}`)
	select {
	case err := <-m.ended:
		m.qemu = nil
		if err != nil {
			m.t.Errorf("guest ended: %v", err)
		}
	case <-time.After(patience):
		m.t.Errorf("guest is still on %v after its power button was pressed; console:\n%s", patience, m.console())
		m.kill()
	}
	return time.Since(start)
}

// monitor sends commands to QEMU.
func (m *machine) monitor(commands ...string) {
	m.t.Helper()
	c, err := net.Dial("unix", m.file("qmp"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	in := json.NewDecoder(c)
	for _, cmd := range append([]string{`{"execute":"qmp_capabilities"}`}, commands...) {
		if _, err := io.WriteString(c, cmd); err != nil {
			m.t.Fatal(err)
		}
		for {
			var answer struct {
				Return, Error json.RawMessage
			}
			if err := in.Decode(&answer); err != nil {
				m.t.Fatal(err)
			}
			if answer.Error != nil {
				m.t.Fatalf("%s: %s", cmd, answer.Error)
			}
			if answer.Return != nil {
				break
			}
		}
	}
}

func (m *machine) console() string {
	b, err := os.ReadFile(m.file("console"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// await waits until the console says words that it did not say before.
func (m *machine) await(words string, since int, patience time.Duration) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		c := m.console()
		if strings.Contains(c[min(since, len(c)):], words) {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("console does not say %q within %v:\n%s", words, patience, c)
		}
	}
}

// connect signs in by SSH, as soon as the guest lets it.
func (m *machine) connect(user string, patience time.Duration) *ssh.Client {
	m.t.Helper()
	config := &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(m.key)},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			m.hostKey = key.Marshal()
			return nil
		},
	}
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var client *ssh.Client
		if client, last = m.dial(config); last == nil {
			m.t.Cleanup(func() { client.Close() })
			return client
		}
		select {
		case err := <-m.ended:
			m.qemu = nil
			m.t.Fatalf("guest ended: %v; console:\n%s", err, m.console())
		default:
		}
	}
	m.t.Fatalf("no SSH within %v: %v; console:\n%s", patience, last, m.console())
	return nil
}

// dial makes one try to sign in.
func (m *machine) dial(config *ssh.ClientConfig) (*ssh.Client, error) {
	var conn net.Conn
	err := m.within(func() (err error) {
		conn, err = net.DialTimeout("tcp4", guestIP.String()+":22", 2*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c, chans, reqs, err := ssh.NewClientConn(conn, guestIP.String(), config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, chans, reqs), nil
}

// refuse makes sure that a user cannot sign in with the instance's key.
func (m *machine) refuse(user string) {
	m.t.Helper()
	c, err := m.dial(&ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(m.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return
	}
	defer c.Close()
	// Some systems let the user in to say that he should not be.
	if s, err := c.NewSession(); err == nil {
		defer s.Close()
		if out, err := s.Output("id"); err == nil {
			m.t.Errorf("%s may sign in: %s", user, out)
		}
	}
}

// plug gives the running guest another disk.
func (m *machine) plug(serial string, size int64) {
	m.t.Helper()
	file := m.file(serial)
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		m.t.Fatal(err)
	}
	m.monitor(
		fmt.Sprintf(`{"execute":"blockdev-add","arguments":{"node-name":"extra","driver":"raw","file":{"driver":"file","filename":%q}}}`, file),
		fmt.Sprintf(`{"execute":"device_add","arguments":{"driver":"virtio-blk-pci","drive":"extra","bus":"port3","id":"extra","serial":%q}}`, serial),
	)
}

// halted waits until the guest's process ends by itself.
func (m *machine) halted(patience time.Duration) bool {
	select {
	case <-m.ended:
		m.qemu = nil
		return true
	case <-time.After(patience):
		return false
	}
}

// run runs a command in the guest and returns what it printed, without the last
// newline. The command must succeed, unless the connection ends with it.
func (m *machine) run(c *ssh.Client, command string) string {
	m.t.Helper()
	out, err := m.execute(c, command)
	var cut *ssh.ExitMissingError
	if err != nil && !errors.As(err, &cut) {
		m.t.Errorf("%s: %v: %s", command, err, out)
	}
	return out
}

// output is run for a command that may fail.
func (m *machine) output(c *ssh.Client, command string) string {
	m.t.Helper()
	out, err := m.execute(c, command)
	var status *ssh.ExitError
	if err != nil && !errors.As(err, &status) {
		m.t.Errorf("%s: %v: %s", command, err, out)
	}
	return out
}

func (m *machine) execute(c *ssh.Client, command string) (string, error) {
	s, err := c.NewSession()
	if err != nil {
		return "", err
	}
	defer s.Close()
	out, err := s.CombinedOutput(command)
	return strings.TrimRight(string(out), "\n"), err
}
