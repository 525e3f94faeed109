//go:build linux

package qemu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// reserve is how many slots are left for disks and cards to be plugged in later.
const reserve = 12

// serverPatience is how long a guest's reads and writes wait for an export's server to come
// back before they fail.
const serverPatience = 10 * time.Minute

// translationMiB bounds the memory of QEMU's translator, where it has no other bound.
const translationMiB = 32

// The files that a process inherits, by number: its sockets, its console log,
// then its taps.
const (
	fdMonitor = 3 + iota
	fdSerial
	fdAgent
	fdConsole
	fdTaps
)

// commandLine returns QEMU's arguments. Nothing of the guest's choosing is in
// them but its kernel arguments; what has a path is given as JSON.
func (d *Driver) commandLine(f folder, engine engine, spec hypervisor.Spec) []string {
	uuid := uuidOf(spec.ID)
	args := []string{
		"-name", f.name(), // by which findProcesses knows it
		"-machine", d.cfg.Machine + ",usb=off,vmport=off,mem-merge=off,dump-guest-core=off",
		"-accel", "kvm", "-cpu", "host",
		"-smp", fmt.Sprintf("cpus=%d,sockets=1", spec.VCPUs),
		"-m", fmt.Sprintf("%dM", spec.MemoryMiB),
		"-nodefaults", "-no-user-config", "-display", "none", "-vnc", "none", "-S",
		"-action", "shutdown=pause", // a guest that ends by itself waits to be seen
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-rtc", "base=utc",
		"-uuid", uuid,
		// cloud-init knows EC2 by a UUID and an equal serial number that begin
		// with "ec2"; the asset tag is where EC2 puts the instance ID.
		"-smbios", "type=1,manufacturer=Vauban,product=Guest,serial=" + uuid + ",uuid=" + uuid,
		"-smbios", "type=2,manufacturer=Vauban,asset=" + spec.ID,
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d,server=on,wait=off", fdMonitor),
		"-mon", "chardev=monitor,mode=control",
		"-add-fd", fmt.Sprintf("fd=%d,set=1", fdConsole),
		"-chardev", fmt.Sprintf("socket,id=serial,fd=%d,server=on,wait=off,logfile=/dev/fdset/1,logappend=on", fdSerial),
		"-serial", "chardev:serial",
		"-chardev", fmt.Sprintf("socket,id=agent,fd=%d,server=on,wait=off", fdAgent),
		"-device", device("VGA", "screen", 1, 0),
		"-device", device("virtio-serial-pci", "ports", 2, 0),
		"-device", text(arguments{"driver": "virtserialport", "id": "agent", "bus": "ports.0", "chardev": "agent", "name": "org.qemu.guest_agent.0"}),
		"-device", device("virtio-rng-pci", "random", 3, 0),
	}
	if engine.accel != "kvm" {
		i := slices.Index(args, "kvm")
		args[i], args[i+2] = fmt.Sprintf("%s,tb-size=%d", engine.accel, translationMiB), "max"
	}
	if spec.Kernel != "" {
		args = append(args, "-kernel", spec.Kernel)
		if spec.Initrd != "" {
			args = append(args, "-initrd", spec.Initrd)
		}
		if spec.Append != "" {
			args = append(args, "-append", spec.Append)
		}
	}
	for i := range len(spec.NICs) + len(spec.Disks) + reserve {
		args = append(args, "-device", device("pcie-root-port", slot(i), 4+i/8, i%8))
	}
	// Cards come first, so that their places do not depend on the disks.
	for i, nic := range spec.NICs {
		args = append(args, "-netdev", fmt.Sprintf("tap,id=%s,fd=%d", nic.ID, fdTaps+i), "-device", text(nicDevice(nic, slot(i))))
	}
	next := fdTaps + len(spec.NICs)
	for i, disk := range spec.Disks {
		for n := range secretsOf(disk) {
			args = append(args, "-object", fmt.Sprintf("secret,id=%s,file=/dev/fd/%d", secretName(disk.ID, n), next))
			next++
		}
		dev := diskDevice(disk, slot(len(spec.NICs)+i))
		if i == 0 && spec.Kernel == "" {
			dev["bootindex"] = 0
		}
		args = append(args, "-object", text(limitObject(disk)), "-blockdev", text(diskNode(disk)), "-device", text(dev))
	}
	return args
}

// slot is the ID of a root port, and of the bus behind it.
func slot(i int) string { return fmt.Sprintf("slot%d", i) }

// device is a device on the machine's own bus.
func device(driver, id string, place, function int) string {
	d := arguments{"driver": driver, "id": id, "bus": "pcie.0", "addr": fmt.Sprintf("%x.%x", place, function)}
	if driver == "pcie-root-port" {
		d["chassis"] = place*8 + function
		d["multifunction"] = function == 0
	}
	return text(d)
}

func nicDevice(nic hypervisor.NIC, bus string) arguments {
	d := arguments{"driver": nicKind, "id": nic.ID, "netdev": nic.ID, "bus": bus, "mac": nic.MAC, "romfile": ""}
	if nic.MTU > 0 {
		d["host_mtu"] = nic.MTU
	}
	return d
}

// The parts of a disk, all of which bear its ID: the device that the guest sees,
// the block node behind it, and the object that limits the node.

func diskDevice(disk hypervisor.Disk, bus string) arguments {
	return arguments{"driver": diskKind, "id": disk.ID, "drive": disk.ID, "bus": bus, "serial": strings.ReplaceAll(disk.ID, "-", "")}
}

func diskNode(disk hypervisor.Disk) arguments {
	return arguments{"driver": "throttle", "node-name": disk.ID, "throttle-group": disk.ID, "file": layerNodes(disk), "discard": "unmap"}
}

// layerNodes are the nodes of a disk's files, each on the next.
func layerNodes(disk hypervisor.Disk) arguments {
	var below any
	for n, l := range layersOf(disk) {
		node := layerNode(disk.ID, n, l)
		if l.Format != "raw" {
			node["backing"] = below
		}
		if n < len(disk.Below) {
			node["read-only"] = true
		} else {
			node["discard"] = "unmap"
		}
		below = node
	}
	return below.(arguments) //nolint:forcetypeassert // a disk has a file at least
}

// layerNode is the node of a disk's n-th file, counted from the bottom.
func layerNode(disk string, n int, l hypervisor.Layer) arguments {
	node := arguments{"driver": l.Format, "node-name": nodeName(disk, n), "file": fileNode(fileName(disk, n), l)}
	if l.Secret != nil {
		node["encrypt"] = arguments{"format": "luks", "key-secret": secretName(disk, n)}
	}
	return node
}

// fileNode is the node of a file, or of an export.
func fileNode(name string, l hypervisor.Layer) arguments {
	if l.Export == "" {
		return arguments{"driver": "file", "node-name": name, "filename": l.Path, "discard": "unmap"}
	}
	return arguments{
		"driver": "nbd", "node-name": name, "server": arguments{"type": "unix", "path": l.Path}, "export": l.Export,
		"reconnect-delay": int(serverPatience.Seconds()), "discard": "unmap",
	}
}

// place is how QEMU calls where a layer is.
func place(path, export string) string {
	if export == "" {
		return path
	}
	return "nbd+unix:///" + export + "?socket=" + path
}

func nodeName(disk string, n int) string { return fmt.Sprintf("%s.%d", disk, n) }

func fileName(disk string, n int) string { return nodeName(disk, n) + "f" }

func secretName(disk string, n int) string { return fmt.Sprintf("%s.key%d", disk, n) }

// layersOf are the files of a disk, from the bottom.
func layersOf(disk hypervisor.Disk) []hypervisor.Layer {
	all := append([]hypervisor.Layer{{Path: disk.Path, Export: disk.Export, Format: disk.Format, Secret: disk.Secret}}, disk.Below...)
	slices.Reverse(all)
	return all
}

// secretsOf yields the secrets of a disk's files, by their number from the bottom.
func secretsOf(disk hypervisor.Disk) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for n, l := range layersOf(disk) {
			if l.Secret != nil && !yield(n, l.Secret) {
				return
			}
		}
	}
}

func limitObject(disk hypervisor.Disk) arguments {
	return arguments{"qom-type": "throttle-group", "id": disk.ID, "limits": limits(disk)}
}

// limits are the disk's, each of them told, so that none of earlier ones stays.
func limits(disk hypervisor.Disk) arguments {
	l := arguments{
		"iops-total": disk.IOPS, "iops-total-max": disk.BurstIOPS, "iops-total-max-length": 1,
		"bps-total": int64(disk.MiBps) << 20, "bps-total-max": int64(disk.BurstMiBps) << 20, "bps-total-max-length": 1,
		"iops-size": 0,
	}
	seconds := int64(disk.Burst / time.Second)
	if disk.BurstIOPS > 0 {
		l["iops-total-max-length"] = seconds
	}
	if disk.BurstMiBps > 0 {
		l["bps-total-max-length"] = seconds
	}
	if disk.IOPS > 0 {
		l["iops-size"] = disk.IOSize
	}
	return l
}

func text(a arguments) string {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return string(b)
}

// uuidOf derives the guest's UUID from its ID: "ec2", then a digest.
func uuidOf(id string) string {
	digest := sha256.Sum256([]byte(id))
	x := "ec2" + hex.EncodeToString(digest[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:32]
}
