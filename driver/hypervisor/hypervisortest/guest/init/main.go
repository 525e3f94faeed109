// Command init is the whole user space of the test guest. It says when it is
// up, answers commands on the console, and powers off when the button is pressed.
//
// A command is a line "<number> <verb> <arguments>"; the answer is the line
// "guest: <number> <result>". Verbs: disks (the serial numbers of the disks it
// sees), get and put (the first bytes of a disk, by serial number), cat (a file, * stands for anything),
// flood (so many KiB of text), load and calm (see load), run (a program, on one line), off.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := boot(); err != nil {
		fmt.Println("guest: broken:", err)
		off()
	}
	button, err := openButton()
	if err != nil {
		fmt.Println("guest: broken: no power button:", err)
		off()
	}
	go watch(button)
	fmt.Println("guest: up")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		number, command, _ := strings.Cut(lines.Text(), " ")
		if number == "" {
			continue
		}
		result, err := run(strings.Fields(command))
		if err != nil {
			result = "failed: " + err.Error()
		}
		fmt.Printf("guest: %s %s\n", number, result)
	}
	select {} // init must not end
}

// boot mounts the kernel's file systems and loads the modules, in order.
func boot() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, dir, kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	modules, err := filepath.Glob("/modules/*") // sorted: names start with their place
	if err != nil {
		return err
	}
	for _, module := range modules {
		f, err := os.Open(module)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close() //nolint:errcheck // only read
		if err != nil {
			return fmt.Errorf("load %s: %w", module, err)
		}
	}
	return nil
}

func run(command []string) (string, error) {
	command = append(command, "", "")
	switch command[0] {
	case "disks":
		return disks()
	case "cards":
		return cards()
	case "get":
		return get(command[1])
	case "put":
		return "done", put(command[1], command[2])
	case "cat":
		return cat(command[1])
	case "flood":
		kib, err := strconv.Atoi(command[1])
		line := strings.Repeat("x", 63) + "\n"
		for range kib * 16 {
			os.Stdout.WriteString(line) //nolint:errcheck // nobody else to tell
		}
		return "done", err
	case "load":
		return "done", load(command[1], command[2])
	case "calm":
		return "done", calm()
	case "run":
		return execute(command[1], strings.Fields(strings.Join(command[2:], " ")))
	case "off":
		off()
	}
	return "", fmt.Errorf("verb %q is not known", command[0])
}

// execute runs a program, and returns what it prints.
func execute(program string, args []string) (string, error) {
	out, err := exec.Command(program, args...).CombinedOutput() //nolint:gosec,noctx // as told
	text := strings.Join(strings.Fields(string(out)), " ")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return text, nil
}

// cat returns the content of the first file that matches.
func cat(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no file %s (%v)", pattern, err)
	}
	b, err := os.ReadFile(files[0])
	return string(bytes.TrimSpace(b)), err
}

// disks returns the serial numbers, sorted.
func disks() (string, error) { return contents("/sys/block/vd*/serial") }

// cards returns the hardware addresses of the network cards, sorted.
func cards() (string, error) { return contents("/sys/class/net/eth*/address") }

// contents returns what is in the files that match, sorted.
func contents(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	var words []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // unplugged in between
		}
		words = append(words, string(bytes.TrimSpace(b)))
	}
	slices.Sort(words)
	return strings.Join(words, " "), nil
}

// open opens the disk of that serial number.
func open(serial string) (*os.File, error) {
	files, err := filepath.Glob("/sys/block/vd*/serial")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && string(bytes.TrimSpace(b)) == serial {
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(f)), os.O_RDWR|os.O_SYNC, 0)
		}
	}
	return nil, fmt.Errorf("%w %s", errNoDisk, serial)
}

var errNoDisk = errors.New("no disk")

func get(serial string) (string, error) {
	f, err := open(serial)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	sector := make([]byte, 512)
	if _, err := io.ReadFull(f, sector); err != nil {
		return "", err
	}
	text, _, _ := bytes.Cut(sector, []byte{0})
	return string(text), nil
}

// put writes to a disk, once it is there: it may just have been plugged.
func put(serial, text string) error {
	f, err := open(serial)
	for begun := time.Now(); errors.Is(err, errNoDisk) && time.Since(begun) < time.Minute; f, err = open(serial) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // written synchronously
	sector := make([]byte, 512)
	copy(sector, text)
	_, err = f.Write(sector)
	return err
}

// openButton opens the power button, which is one of several input devices.
func openButton() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/input/event*/device/name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && string(b) == "Power Button\n" {
			return os.Open("/dev/input/" + filepath.Base(filepath.Dir(filepath.Dir(name))))
		}
	}
	return nil, fmt.Errorf("none among %d input devices", len(names))
}

// watch powers off when the power button is pressed: event type EV_KEY, code
// KEY_POWER (linux/input-event-codes.h).
func watch(button io.Reader) {
	event := make([]byte, 24)
	for {
		if _, err := io.ReadFull(button, event); err != nil {
			fmt.Println("guest: broken: power button:", err)
			return
		}
		if binary.LittleEndian.Uint16(event[16:]) == 1 && binary.LittleEndian.Uint16(event[18:]) == 116 {
			fmt.Println("guest: button")
			off()
		}
	}
}

func off() {
	time.Sleep(50 * time.Millisecond)            // lets the serial port drain
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) //nolint:errcheck // nothing else to do
	select {}
}
